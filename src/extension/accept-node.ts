import { Interrupted, messageOf, UserError } from '../platform/errors.ts';
import type { NodeProgram } from './find-node.ts';
import { runUnmask } from './run-unmask.ts';

/** Milliseconds; long enough for a cold disk. A self-test that takes longer is taken to hang. */
const selfTestTimeout = 60_000;

/** Every platform has a build of at least one of these engines. If neither works in a Node, no engine does. */
const fallbackDevices = [
  ['onnx', 'cpu'],
  ['tensorflow', 'wasm'],
] as const;

/**
 * Returns the first Node that is accepted.
 *
 * @param nodes candidates, the best first
 * @param rejectionReason returns the reason to reject a Node; null accepts it
 * @throws UserError with the reason for each candidate if none is accepted
 */
export async function firstAccepted(
  nodes: AsyncIterable<NodeProgram>,
  rejectionReason: (node: NodeProgram) => Promise<string | null>,
): Promise<NodeProgram> {
  const reasons: string[] = [];
  for await (const node of nodes) {
    const reason = await rejectionReason(node);
    if (reason === null) return node;
    reasons.push(`${node.file}, ${node.version}: ${reason}`);
  }
  throw new UserError(
    `No backend works in any Node.js on this machine (${reasons.join('; ')}). Install Node.js 20.19 or newer, or set unmask.node.`,
  );
}

/**
 * Runs the self-test of an engine in a Node. Returns null if an engine passes, else why none does. The version alone
 * does not decide this: VS Code's own Node forbids memory that native code may need.
 */
export async function findEngineProblem(
  node: NodeProgram,
  script: string,
  log: (line: string) => void,
): Promise<string | null> {
  const reasons: string[] = [];
  for (const [engine, device] of fallbackDevices) {
    try {
      const report = await runUnmask<SelfTestReport>(node, script, ['self-test', engine, device], {
        signal: AbortSignal.timeout(selfTestTimeout),
        log,
      });
      if (report.selfTest === 'passed') return null;
      reasons.push(`${engine} ${device}: ${report.reason ?? 'the self-test failed'}`);
    } catch (error) {
      const why =
        error instanceof Interrupted ? `the self-test took more than ${selfTestTimeout / 1000} s` : messageOf(error);
      reasons.push(`${engine} ${device}: ${why}`);
    }
  }
  return reasons.join(', ');
}

interface SelfTestReport {
  readonly selfTest: string;
  readonly reason: string | null;
}
