/** What `unmask devices --json` prints: the tensor engines of this machine, each tried and measured. */
export interface DevicesReport {
  readonly engines: readonly EngineFinding[];
  /** The fastest that gives the right numbers; null where none does. */
  readonly chosen: { readonly engine: string; readonly device: string } | null;
  readonly sandbox: SandboxFinding;
}

/** One engine on one device. */
export interface EngineFinding {
  readonly engine: string;
  readonly device: string;
  readonly available: boolean;
  readonly selfTest: 'passed' | 'failed' | 'skipped';
  /** Why it was passed over, for people; null for the chosen one. */
  readonly reason: string | null;
  /** Speed of a large matrix product, 10^9 multiplications and additions a second; null where it was not measured. */
  readonly gflops: number | null;
}

/** What keeps code that a model wrote away from the machine. */
export interface SandboxFinding {
  readonly available: boolean;
  readonly kind: string | null;
  readonly limits: readonly string[];
  readonly reason: string | null;
}
