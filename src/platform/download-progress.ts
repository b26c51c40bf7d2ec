import { duration, size } from './amounts.ts';

/** The progress of a download. */
export interface DownloadProgress {
  /** Bytes downloaded so far, and in total. */
  readonly done: number;
  readonly total: number;
  /** Bytes per second; null until it is known. */
  readonly rate: number | null;
  readonly file: string;
}

/** The progress line for stderr: "37 % of 3.2 GB, 45 MB/s, 2 min left: model.safetensors". */
export function progressLine({ done, total, rate, file }: DownloadProgress): string {
  const percent = total === 0 ? 100 : Math.floor((100 * done) / total);
  const speed = rate === null || rate <= 0 ? [] : [`${size(rate)}/s`, `${duration((total - done) / rate)} left`];
  return `${[`${percent} % of ${size(total)}`, ...speed].join(', ')}: ${file}`;
}

/** Parses a line of `progressLine`; null for any other line. */
export function readProgressLine(line: string): { readonly percent: number; readonly message: string } | null {
  const percent = /^(\d{1,3}) % of .*: \S+$/.exec(line)?.[1];
  return percent === undefined ? null : { percent: Number(percent), message: line };
}
