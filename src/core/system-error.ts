// What the operating system refuses, in words: to which file or directory, and what can be done.
import { Fault, messageOf } from "./fault.ts";
import { quote } from "./quote.ts";

/** What a system call was to do, as people say it; others by their own name. */
const VERBS: Readonly<Record<string, string>> = {
  mkdir: "make",
  scandir: "read",
  read: "read",
  write: "write to",
  unlink: "remove",
  rmdir: "remove",
  rm: "remove",
  rename: "replace",
  copyfile: "copy",
  ftruncate: "cut",
  lstat: "look at",
  stat: "look at",
  uv_chown: "give away",
  posix_spawn: "start",
};

/** What a code means, and what to do; `$` is the path. */
const REASONS: Readonly<Record<string, readonly [reason: string, hint: string]>> = {
  ENOSPC: ["the disk is full", "make room there: df -h $"],
  EDQUOT: ["the disk quota is used up", "make room there, or raise the quota"],
  EROFS: ["the file system is read-only", "mount it writable, or choose another place"],
  EACCES: ["permission denied", "see who may: ls -ld $ and the directories above"],
  EPERM: ["not permitted", "see whose it is: ls -ld $"],
  ENOENT: ["there is none", "see what is there: ls -ld $ and the directories above"],
  ENOTDIR: ["part of the path is no directory", "see what is there: ls -ld $ and the directories above"],
  EISDIR: ["it is a directory", "move it away, or choose another name"],
  EEXIST: ["it is there already", "move it away, or choose another name"],
  ENOTEMPTY: ["it is not empty", "see what is in it: ls -la $"],
  ENAMETOOLONG: ["the name is too long", "choose a shorter one"],
  ELOOP: ["links lead round in a circle", "see where they lead: ls -l $"],
  EIO: ["the disk does not answer as it should", "see what the kernel says: dmesg"],
  EBUSY: ["something else uses it", "see who: fuser -v $"],
  EMFILE: ["no file descriptor is left here", "raise the limit: ulimit -n"],
  ENFILE: ["no file descriptor is left on this machine", "see fs.file-max"],
  ENOMEM: ["no memory is left", "see what uses it: free -m"],
};

/** Why the system refuses, to be read behind what was to be done; the error's own words where its code is not known. */
export function systemReason(thrown: unknown): string {
  const [reason] = REASONS[(thrown as NodeJS.ErrnoException | undefined)?.code ?? ""] ?? [];
  return reason ?? messageOf(thrown);
}

/** The fault for an error of a system call with a code that is known; undefined for everything else, which is a defect. */
export function systemFault(thrown: unknown): Fault | undefined {
  const { code = "", syscall = "use", path } = (thrown ?? {}) as NodeJS.ErrnoException;
  const [reason, hint = ""] = REASONS[code] ?? [];
  if (reason === undefined) return undefined;
  const what = `cannot ${VERBS[syscall] ?? syscall} ${path === undefined ? "a file" : quote(path)}`;
  return new Fault("internal", `${what}: ${reason} (${code})`, hint.replace("$", path ?? "the file"), {
    cause: thrown,
  });
}
