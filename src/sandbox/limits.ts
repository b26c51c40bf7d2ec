/** The resources that one run may use. */
export interface SandboxLimits {
  /**
   * Seconds of wall time, and of CPU time per process. On a busy machine, processes that compute may take up to four times the wall
   * time, until they have had their CPU time.
   */
  readonly seconds: number;
  readonly cpuSeconds: number;
  /** Memory of all processes together. The limit on each process's data address space is four times as large. */
  readonly memoryMiB: number;
  /** Concurrent processes and threads. */
  readonly processes: number;
  readonly openFiles: number;
  /** Size of one file, and of all files in one scratch folder. */
  readonly fileMiB: number;
  readonly scratchMiB: number;
  /** Size of stdout, stderr and the report, each. */
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
