import type { DevicesReport, EngineFinding } from '../protocol/devices.ts';
import type { NodeProgram } from './find-node.ts';

/** A Node in which no engine worked, and why. */
export interface PassedOver {
  readonly node: NodeProgram;
  readonly reason: string;
}

/** The page that `Unmask: Show Devices` opens, as plain text. */
export function devicesPage(report: DevicesReport, node: NodeProgram, passedOver: readonly PassedOver[]): string {
  const { chosen, engines, sandbox } = report;
  const isChosen = ({ engine, device }: EngineFinding) => engine === chosen?.engine && device === chosen.device;
  const others = engines.filter((finding) => !isChosen(finding) && finding.reason !== null);
  return [
    chosen ? `Chosen: ${chosen.engine} on ${chosen.device}` : 'Chosen: none, because no engine works on this machine',
    '',
    ...table([
      ['', 'Engine', 'Device', 'Available', 'Self-test', 'GFLOP/s'],
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
    ...(others.length > 0 ? ['Why not the others'] : []),
    ...others.map(({ engine, device, reason }) => `  ${engine} on ${device}: ${reason}`),
    ...(others.length > 0 ? [''] : []),
    sandbox.available
      ? `Sandbox: ${sandbox.kind ?? 'available'}${sandbox.limits.length > 0 ? ` (${sandbox.limits.join(', ')})` : ''}`
      : `Sandbox: none${sandbox.reason ? `, because ${sandbox.reason}` : ''}`,
    `Node.js: ${named(node)}`,
    ...passedOver.map(({ node, reason }) => `  passed over: ${named(node)}: ${reason}`),
    '',
  ].join('\n');
}

function named({ version, file }: NodeProgram): string {
  return `${version}, ${file}`;
}

/** Rows of cells with the columns under each other, and a rule below the first row. */
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
