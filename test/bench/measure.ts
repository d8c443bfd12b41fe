// Interleaved rounds: in each, every proxy has its turn, so that whatever disturbs the machine disturbs all of them.
import type { Cell } from "./cell.ts";
import { type Contender, HOST } from "./contender.ts";
import { type Burst, burst } from "./load.ts";
import { cpuMs, memoryMb } from "./usage.ts";

export interface Turn extends Burst {
  /** Processor time of the proxy a request, in microseconds. */
  readonly cpuMicros: number;
  readonly rssMb: number;
}

export interface Plan {
  readonly rounds: number;
  readonly seconds: number;
  readonly warmUpSeconds: number;
}

/** The turns of each contender in one cell, by its name and in the order of the rounds. */
export async function measure(
  contenders: readonly Contender[],
  cell: Cell,
  { rounds, seconds, warmUpSeconds }: Plan,
): Promise<Map<string, Turn[]>> {
  const turns = new Map<string, Turn[]>(contenders.map(({ name }) => [name, []]));
  if (warmUpSeconds > 0) {
    for (const contender of contenders) await burst(portOf(contender, cell), HOST, cell, warmUpSeconds);
  }
  for (let round = 0; round < rounds; round++) {
    for (const contender of contenders) {
      turns.get(contender.name)?.push(await turn(contender, cell, seconds));
    }
  }
  return turns;
}

const portOf = ({ port, tlsPort }: Contender, { isTls = false }: Cell) => (isTls ? tlsPort : port);

async function turn(contender: Contender, cell: Cell, seconds: number): Promise<Turn> {
  const { pids } = contender;
  const before = cpuMs(pids);
  const seen = await burst(portOf(contender, cell), HOST, cell, seconds);
  const spentMs = cpuMs(pids) - before;
  return { ...seen, cpuMicros: (spentMs * 1_000) / seen.requests, rssMb: memoryMb(pids).now };
}
