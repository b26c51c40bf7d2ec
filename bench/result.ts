/** One result of a bench: the value, and the peer's value from the same run. */
export interface BenchResult {
  /** The workload, with a variant after a colon. */
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** The peer and its setting, or the reason if it has no value. */
  readonly peer?: string;
  readonly peer_value?: number;
  /** Performance relative to the peer; above 1 is better, independent of the unit. */
  readonly ratio?: number;
  /** Target for the ratio. */
  readonly target?: number;
  readonly met?: boolean;
}

export interface Compared {
  readonly name: string;
  readonly value: number;
  readonly unit: 'tokens/s' | 'GFLOP/s' | 'verdicts/s' | 'rollouts/s' | 'MiB' | 's' | 'ms';
  readonly peer?: string | undefined;
  readonly peerValue?: number | undefined;
  readonly target?: number | undefined;
}

/** Adds the ratio, and whether it meets the target. For times and memory, less is better. */
export function benchResult({ name, value, unit, peer, peerValue, target }: Compared): BenchResult {
  const lessIsBetter = unit === 's' || unit === 'ms' || unit === 'MiB';
  const result = { name, value: rounded(value), unit, ...(peer === undefined ? {} : { peer }) };
  if (peerValue === undefined) return { ...result, ...(target === undefined ? {} : { target }) };
  const ratio = lessIsBetter ? peerValue / value : value / peerValue;
  const compared = { ...result, peer_value: rounded(peerValue), ratio: Number(ratio.toFixed(3)) };
  return target === undefined ? compared : { ...compared, target, met: ratio >= target };
}

const rounded = (value: number): number => Number(value.toPrecision(5));

/** The results as a text table. */
export function table(results: readonly BenchResult[]): string[] {
  const rows = results.map(({ name, value, unit, peer, peer_value, ratio, target, met }) => [
    name,
    `${shown(value)} ${unit}`,
    peer_value === undefined ? '' : `${shown(peer_value)} ${unit}`,
    ratio === undefined ? '' : ratio.toFixed(2),
    target === undefined ? '' : `${target.toFixed(1)}${met === undefined ? '' : met ? ' met' : ' missed'}`,
    peer ?? '',
  ]);
  const all = [['', 'unmask', 'peer', 'ratio', 'target', 'peer program'], ...rows];
  const widths = all[0]!.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  return all.map((row) =>
    row
      .map((cell, column) => {
        const isNumber = column >= 1 && column <= 3;
        return isNumber ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!);
      })
      .join('  ')
      .trimEnd(),
  );
}

function shown(value: number): string {
  if (value >= 1000) return Math.round(value).toLocaleString('en-US');
  return value >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 2);
}
