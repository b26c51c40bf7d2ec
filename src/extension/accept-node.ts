import { Interrupted, messageOf, UserError } from '../platform/errors.ts';
import type { NodeProgram } from './find-node.ts';
import { runUnmask } from './run-unmask.ts';

/** Long enough for a cold disk; who takes longer hangs. */
const patience = 60_000;

/** Engines that every platform has a build of one of: where neither works in a Node, nothing does. */
const plainDevices = [
  ['onnx', 'cpu'],
  ['tensorflow', 'wasm'],
] as const;

/**
 * The first Node that is accepted, the best come first.
 *
 * @param whyNot what speaks against one; null where nothing does
 * @throws UserError with what speaks against each
 */
export async function firstAccepted(
  nodes: AsyncIterable<NodeProgram>,
  whyNot: (node: NodeProgram) => Promise<string | null>,
): Promise<NodeProgram> {
  const reasons: string[] = [];
  for await (const node of nodes) {
    const reason = await whyNot(node);
    if (reason === null) return node;
    reasons.push(`${node.file}, ${node.version}: ${reason}`);
  }
  throw new UserError(
    `No Node.js was found in which an engine works (${reasons.join('; ')}); install Node.js 20.19 or newer, or name one in the setting unmask.node.`,
  );
}

/**
 * Whether an engine gives the right numbers in a Node; null where one does, else why none does. That a Node is new
 * enough does not say so: VS Code's own forbids memory that native code may need.
 */
export async function whyNoEngineWorks(
  node: NodeProgram,
  script: string,
  log: (line: string) => void,
): Promise<string | null> {
  const reasons: string[] = [];
  for (const [engine, device] of plainDevices) {
    try {
      const report = await runUnmask<SelfTestReport>(node, script, ['self-test', engine, device], {
        signal: AbortSignal.timeout(patience),
        log,
      });
      if (report.selfTest === 'passed') return null;
      reasons.push(`${engine} ${device}: ${report.reason ?? 'its self-test failed'}`);
    } catch (error) {
      const why = error instanceof Interrupted ? `its self-test took more than ${patience / 1000} s` : messageOf(error);
      reasons.push(`${engine} ${device}: ${why}`);
    }
  }
  return reasons.join(', ');
}

interface SelfTestReport {
  readonly selfTest: string;
  readonly reason: string | null;
}
