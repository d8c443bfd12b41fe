// What streams live: how much later events arrive through the proxy than without it, and how long a WebSocket's echo takes.
import type { Scenario } from "./figure.ts";
import { startHouse } from "./house.ts";
import { percentile } from "./line.ts";

const EVENTS = 1_000;
const ECHOES = 5_000;

/** How many milliseconds each event was under way, on the clock that all processes of the machine share. */
async function events(port: number): Promise<number[]> {
  const answer = await fetch(`http://127.0.0.1:${port}/events?count=${EVENTS}`, {
    headers: { host: "api.localhost" },
  });
  const delays: number[] = [];
  let text = "";
  for await (const bytes of answer.body ?? []) {
    const now = performance.timeOrigin + performance.now();
    text += new TextDecoder().decode(bytes);
    const whole = text.split("\n\n");
    text = whole.pop() ?? "";
    for (const event of whole) delays.push(now - Number(event.slice("data: ".length)));
  }
  return delays;
}

/** How many milliseconds each message took there and back, one after the other. */
function echoes(port: number): Promise<number[]> {
  return new Promise((resolve, reject) => {
    const times: number[] = [];
    const socket = new WebSocket(`ws://127.0.0.1:${port}/socket`, { headers: { host: "api.localhost" } });
    let begun = 0;
    const send = () => {
      begun = performance.now();
      socket.send("x".repeat(100));
    };
    socket.onopen = send;
    socket.onerror = () => reject(new Error("the WebSocket failed"));
    socket.onmessage = () => {
      times.push(performance.now() - begun);
      if (times.length < ECHOES) return send();
      socket.close();
      resolve(times);
    };
  });
}

export const live: Scenario = {
  name: "live",
  about: "events and WebSocket messages, one at a time, through the proxy and without it",
  async run() {
    await using house = await startHouse([process.execPath, "origin.ts"], ["a"]);
    const direct = (await house.ten.ps())["api:a"]?.port ?? 0;
    const withoutEvents = await events(direct);
    const throughEvents = await events(house.ten.port);
    const withoutEchoes = await echoes(direct);
    const throughEchoes = await echoes(house.ten.port);
    const at = (values: readonly number[], percent: number) => percentile(values, percent);
    return [
      { what: "event, p50 without the proxy", value: at(withoutEvents, 50), unit: "ms" },
      { what: "event, p50 through it", value: at(throughEvents, 50), unit: "ms", most: 1 },
      { what: "event, p95 through it", value: at(throughEvents, 95), unit: "ms" },
      { what: "events lost", value: EVENTS - throughEvents.length, unit: "events", most: 0 },
      { what: "WebSocket echo, p50 without the proxy", value: at(withoutEchoes, 50), unit: "ms" },
      { what: "WebSocket echo, p50 through it", value: at(throughEchoes, 50), unit: "ms", most: 1 },
      { what: "WebSocket echo, p95 through it", value: at(throughEchoes, 95), unit: "ms" },
    ];
  },
};
