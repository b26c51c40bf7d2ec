/** What one run may use. */
export interface SandboxLimits {
  /** Seconds by the clock, and of one process's computing. */
  readonly seconds: number;
  readonly cpuSeconds: number;
  /** Memory of all processes together; each one's address space for data is four times as large. */
  readonly memoryMiB: number;
  /** Processes and threads at a time. */
  readonly processes: number;
  readonly openFiles: number;
  /** One file, and all files of one scratch folder. */
  readonly fileMiB: number;
  readonly scratchMiB: number;
  /** Each of stdout, stderr and the report. */
  readonly outputMiB: number;
}

export const defaultLimits: SandboxLimits = {
  seconds: 10,
  cpuSeconds: 10,
  memoryMiB: 1024,
  processes: 64,
  openFiles: 256,
  fileMiB: 32,
  scratchMiB: 64,
  outputMiB: 1,
};

export const mebibyte = 2 ** 20;
