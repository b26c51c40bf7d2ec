import type { DevicesReport, EngineFinding } from '../protocol/devices.ts';
import type { NodeProgram } from './find-node.ts';

/** A Node in which no engine works, and why. */
export interface RejectedNode {
  readonly node: NodeProgram;
  readonly reason: string;
}

/** Text of the page that `Unmask: Show Devices` opens. */
export function devicesPage(report: DevicesReport, node: NodeProgram, rejected: readonly RejectedNode[]): string {
  const { chosen, engines, sandbox } = report;
  const isChosen = ({ engine, device }: EngineFinding) => engine === chosen?.engine && device === chosen.device;
  const others = engines.filter((finding) => !isChosen(finding) && finding.reason !== null);
  return [
    chosen
      ? `Selected: ${chosen.engine} on ${chosen.device}`
      : 'Selected: none, because no backend works on this machine',
    '',
    ...table([
      ['', 'Backend', 'Device', 'Available', 'Self-test', 'GFLOP/s'],
      ...engines.map((finding) => [
        isChosen(finding) ? '>' : '',
        finding.engine,
        finding.device,
        finding.available ? 'yes' : 'no',
        finding.selfTest,
        finding.gflops === null ? '-' : finding.gflops.toFixed(finding.gflops < 10 ? 1 : 0),
      ]),
    ]),
    '',
    ...(others.length > 0 ? ['Not selected'] : []),
    ...others.map(({ engine, device, reason }) => `  ${engine} on ${device}: ${reason}`),
    ...(others.length > 0 ? [''] : []),
    sandbox.available
      ? `Sandbox: ${sandbox.kind ?? 'available'}${sandbox.limits.length > 0 ? ` (${sandbox.limits.join(', ')})` : ''}`
      : `Sandbox: not available${sandbox.reason ? `: ${sandbox.reason}` : ''}`,
    `Node.js: ${describeNode(node)}`,
    ...rejected.map(({ node, reason }) => `  not used: ${describeNode(node)}: ${reason}`),
    '',
  ].join('\n');
}

function describeNode({ version, file }: NodeProgram): string {
  return `${version}, ${file}`;
}

/** Lines of a table with aligned columns and a rule below the head row. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const [head, ...body] = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  );
  return [head!, '-'.repeat(head!.length), ...body];
}
