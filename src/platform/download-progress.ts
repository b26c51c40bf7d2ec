import { duration, size } from './amounts.ts';

/** How far a download is. */
export interface DownloadProgress {
  /** Bytes that are there, and bytes in all. */
  readonly done: number;
  readonly total: number;
  /** Bytes a second; null: not known yet. */
  readonly rate: number | null;
  readonly file: string;
}

/** The line that tells it, on stderr: "37 % of 3.2 GB, 45 MB/s, 2 min left: model.safetensors". */
export function progressLine({ done, total, rate, file }: DownloadProgress): string {
  const percent = total === 0 ? 100 : Math.floor((100 * done) / total);
  const speed = rate === null || rate <= 0 ? [] : [`${size(rate)}/s`, `${duration((total - done) / rate)} left`];
  return `${[`${percent} % of ${size(total)}`, ...speed].join(', ')}: ${file}`;
}

/** What such a line says to a program that watches: the percentage, and the words; null for any other line. */
export function readProgressLine(line: string): { readonly percent: number; readonly message: string } | null {
  const percent = /^(\d{1,3}) % of .*: \S+$/.exec(line)?.[1];
  return percent === undefined ? null : { percent: Number(percent), message: line };
}
