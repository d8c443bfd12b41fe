// Certificates on their way to workers: all of them to one that begins, and to each of them again whenever they are others.
import type { CertificateSource, HttpsOptions } from "../data-plane.ts";
import type { HeldSocket } from "./held-socket.ts";
import type { WorkerHttps } from "./protocol.ts";
import type { Beginning } from "./route-updates.ts";
import type { WorkerLink } from "./worker-link.ts";

/** A worker that has not taken them by then is replaced. */
const TELL_MS = 5_000;

export interface CertificateTellingOptions {
  readonly https: HttpsOptions;
  /** Those that are to hear of changes. */
  links(): readonly WorkerLink[];
}

export class CertificateTelling implements Disposable {
  readonly #options: CertificateTellingOptions;
  readonly #stop: () => void;
  #telling: Promise<void> = Promise.resolve();
  #isDue = false;

  constructor(options: CertificateTellingOptions) {
    this.#options = options;
    this.#stop = options.https.certificates.follow(() => this.#changed());
  }

  get #certificates(): CertificateSource {
    return this.#options.https.certificates;
  }

  /** What stays as it is for as long as a worker lives. */
  get settings(): WorkerHttps {
    const { port, ciphers, http2 } = this.#options.https;
    return { port, ciphers, http2 };
  }

  /** For one that begins, on the socket that is held, or at a port. */
  async beginning(held: HeldSocket | undefined, port: number): Promise<NonNullable<Beginning["https"]>> {
    const { placeholder } = this.#options.https;
    const news = await this.#certificates.news();
    const where = held === undefined ? { port } : { port: held.socket.address.port, offer: held.offeredAt };
    return { ...where, placeholder, news };
  }

  /** A handshake at a worker waits for this name: whatever comes of it has been told when this resolves. Never rejects. */
  async look(link: WorkerLink, named: number, name: string): Promise<void> {
    await this.#certificates.contextFor(name);
    await this.#telling;
    link.tell(JSON.stringify({ kind: "looked", named }));
  }

  /** Of changes that come while others are being told, all are told together. */
  #changed(): Promise<void> {
    if (!this.#isDue) {
      this.#isDue = true;
      this.#telling = this.#telling.then(() => this.#tell());
    }
    return this.#telling;
  }

  async #tell(): Promise<void> {
    this.#isDue = false;
    await this.tell(this.#options.links());
  }

  /** Never rejects: one that ends meanwhile, or is killed as it does not confirm, shows no old ones either. */
  async tell(links: readonly WorkerLink[]): Promise<void> {
    const message = JSON.stringify({ kind: "certificates", news: await this.#certificates.news() });
    await Promise.all(links.map((link) => link.ask(message, TELL_MS).catch(() => link.gone)));
  }

  [Symbol.dispose](): void {
    this.#stop();
  }
}
