// How a set-up tells what it does, and what visitors saw of it: lines for people, or one line of JSON with --json.
import type { Rows, Seen, Visitors } from "./visitors.ts";

export interface Scene extends Seen {
  readonly name: string;
}

const isJson = Bun.argv.includes("--json");

export class Story {
  readonly #scenes: Scene[] = [];
  readonly #began = performance.now();

  /** What happens behind the scenes. */
  say(text: string): void {
    if (!isJson) process.stdout.write(`${text}\n`);
  }

  /** Does something to the set-up while visitors come, and tells what they saw of it. */
  async scene(name: string, visitors: Visitors, act: () => Promise<unknown>): Promise<Scene> {
    this.say(`\n${name}`);
    visitors.look();
    await visitors.more(50);
    await act();
    await visitors.more(100);
    const scene = { name, ...visitors.look() };
    this.#scenes.push(scene);
    const { requests, failed, failedWrites, longestMs, by } = scene;
    const writes = failedWrites > 0 ? ` (${failedWrites} of them writes)` : "";
    const servers = Object.entries(by).map(([server, count]) => `${server} ${count}`);
    this.say(
      `  visitors: ${requests} requests, ${failed} failed${writes}, longest ${(longestMs / 1000).toFixed(2)} s`,
    );
    if (servers.length > 1) this.say(`  answered by ${servers.join(", ")}`);
    return scene;
  }

  /** Ends the play: what visitors were told is kept has to be there, but for what a copy may be behind. */
  async end(visitors: Visitors, behindMs = 0): Promise<Rows> {
    await visitors.leave();
    const rows = await visitors.rows(behindMs);
    const secs = Math.round((performance.now() - this.#began) / 100) / 10;
    if (isJson) process.stdout.write(`${JSON.stringify({ scenes: this.#scenes, rows, secs })}\n`);
    else this.say(`\nnotes: ${rows.kept} kept, ${rows.lost} lost, ${rows.twice} twice; ${secs} s in all`);
    if (rows.lostForNoReason > 0 || rows.twice > 0) process.exitCode = 1;
    return rows;
  }
}
