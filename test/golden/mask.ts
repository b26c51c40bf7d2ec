import { fileURLToPath } from 'node:url';
import { packageVersion } from '../../src/platform/package-root.ts';

const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');

/** Names in place of what differs from run to run: folders, times, and the version of the package. */
export function maskPositions(text: string, home: string): string {
  return text
    .replaceAll(home, 'HOME')
    .replaceAll(root, 'CLONE')
    .replaceAll(`"${packageVersion()}"`, '"VERSION"')
    .replaceAll(/\d{8}-\d{6}-\d{3}(?=-)/g, 'TIME')
    .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, 'TIME');
}

/**
 * `#` in place of numbers that depend on rounding, speed or the machine: numbers with decimals, and whole numbers before
 * a unit. Columns are as wide as their numbers, so spaces between them are reduced to two.
 */
export function maskNumbers(text: string): string {
  const units = 'ms|s|min|minutes|[kKMG]i?B|GFLOP/s|tokens/s|verdicts/s|cores';
  const maskLine = (line: string) =>
    line
      .replaceAll(/(?<!arXiv )[+-]?\d+\.\d+(e[-+]?\d+)?/g, '#')
      .replaceAll(new RegExp(`\\b\\d+(?= (${units})\\b)`, 'g'), '#')
      .replaceAll(/(?<=\S) {2,}/g, '  ')
      .trimEnd();
  const lines = text.split('\n').map((line) => (line.startsWith('$ ') ? line : maskLine(line)));
  // Progress that is reported once per second takes more lines on a slower machine.
  return lines.filter((line, index) => line === '' || line !== lines[index - 1]).join('\n');
}
