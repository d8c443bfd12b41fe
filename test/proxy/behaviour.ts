// What every data plane does, whether it runs inside the program or in workers of its own.
import { describe } from "bun:test";
import type { PlaneFactory } from "../support/plane.ts";
import { answersItself } from "./behaviour/answering.ts";
import { drains } from "./behaviour/draining.ts";
import { forwards } from "./behaviour/forwarding.ts";
import { judges } from "./behaviour/judging.ts";
import { keepsVisitors } from "./behaviour/keeping.ts";
import { links } from "./behaviour/linking.ts";
import { retries } from "./behaviour/retrying.ts";
import { shadows } from "./behaviour/shadowing.ts";
import { splits } from "./behaviour/splitting.ts";
import { countsUnanswered } from "./behaviour/unanswered.ts";
import { upgrades } from "./behaviour/upgrading.ts";
import { waits } from "./behaviour/waiting.ts";

/** `create` starts a plane that is ready to serve; the suite disposes it. `takesClock`: it goes by the clock that it is given. */
export function behavesAsDataPlane(name: string, create: PlaneFactory, takesClock: boolean): void {
  describe(`the ${name} data plane`, () => {
    describe("forwards", () => forwards(create));
    describe("splits", () => splits(create));
    describe("judges", () => judges(create));
    describe("copies requests:", () => shadows(create));
    describe("links", () => links(create));
    describe("keeps visitors", () => keepsVisitors(create));
    describe("answers itself", () => answersItself(create));
    describe("retries", () => retries(create));
    describe("counts what was not answered:", () => countsUnanswered(create));
    describe("waits", () => waits(create));
    describe("upgrades", () => upgrades(create, takesClock));
    describe("drains", () => drains(create));
  });
}
