/** The document of `unmask devices --json`: the tensor engines of this machine, tested and measured. */
export interface DevicesReport {
  readonly engines: readonly EngineFinding[];
  /** The fastest engine that passes its self-test; null if none does. */
  readonly chosen: { readonly engine: string; readonly device: string } | null;
  readonly sandbox: SandboxFinding;
}

/** One engine on one device. */
export interface EngineFinding {
  readonly engine: string;
  readonly device: string;
  readonly available: boolean;
  readonly selfTest: 'passed' | 'failed' | 'skipped';
  /** Why it was not chosen, for display; null for the chosen one. */
  readonly reason: string | null;
  /** Speed of a large matrix product, in 10^9 multiplications and additions per second; null if not measured. */
  readonly gflops: number | null;
}

/** The sandbox that isolates code of a model from the machine. */
export interface SandboxFinding {
  readonly available: boolean;
  readonly kind: string | null;
  readonly limits: readonly string[];
  readonly reason: string | null;
}
