/** One line of a bench: what was measured, and the same with a peer in the same run. */
export interface BenchResult {
  /** The work; a variant of it stands after a colon. */
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** With what, and at which setting; where there is no value, why not. */
  readonly peer?: string;
  readonly peer_value?: number;
  /** How far we are ahead of the peer: above 1 is better, whatever the unit. */
  readonly ratio?: number;
  /** The ratio that is aimed at. */
  readonly target?: number;
  readonly met?: boolean;
}

export interface Compared {
  readonly name: string;
  readonly value: number;
  readonly unit: 'tokens/s' | 'GFLOP/s' | 'verdicts/s' | 'MiB' | 's' | 'ms';
  readonly peer?: string | undefined;
  readonly peerValue?: number | undefined;
  readonly target?: number | undefined;
}

/** Adds ratio and verdict. Less is better for times and memory. */
export function benchResult({ name, value, unit, peer, peerValue, target }: Compared): BenchResult {
  const lessIsBetter = unit === 's' || unit === 'ms' || unit === 'MiB';
  const result = { name, value: rounded(value), unit, ...(peer === undefined ? {} : { peer }) };
  if (peerValue === undefined) return { ...result, ...(target === undefined ? {} : { target }) };
  const ratio = lessIsBetter ? peerValue / value : value / peerValue;
  const compared = { ...result, peer_value: rounded(peerValue), ratio: Number(ratio.toFixed(3)) };
  return target === undefined ? compared : { ...compared, target, met: ratio >= target };
}

const rounded = (value: number): number => Number(value.toPrecision(5));

/** The results as a table for people. */
export function table(results: readonly BenchResult[]): string[] {
  const rows = results.map(({ name, value, unit, peer, peer_value, ratio, target, met }) => [
    name,
    `${shown(value)} ${unit}`,
    peer_value === undefined ? '' : `${shown(peer_value)} ${unit}`,
    ratio === undefined ? '' : ratio.toFixed(2),
    target === undefined ? '' : `${target.toFixed(1)}${met === undefined ? '' : met ? ' met' : ' missed'}`,
    peer ?? '',
  ]);
  const all = [['', 'unmask', 'peer', 'ratio', 'target', 'peer is'], ...rows];
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
