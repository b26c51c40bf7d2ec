import { type DeviceList, listDevices } from '../../engine/devices.ts';
import type { SandboxFinding } from '../../protocol/devices.ts';
import { findSandbox } from '../../sandbox/open-sandbox.ts';
import type { AddCommand } from '../command.ts';

export function addDevices(add: AddCommand): void {
  add('devices', 'Self-test and measure every tensor engine on this machine, and test the sandbox', async () => {
    const found = await listDevices();
    const sandbox = await findSandbox();
    return { document: { ...found, sandbox }, lines: [...deviceRows(found), '', sandboxLine(sandbox)] };
  });
}

/** The sandbox for generated code, or the reason why there is none. */
function sandboxLine({ kind, limits, reason }: SandboxFinding): string {
  return kind === null ? `No sandbox. ${reason}` : `Sandbox: ${kind} (${limits.join(', ')})`;
}

/** One line per device: whether it works, its speed, and why it was not chosen. */
export function deviceRows({ engines, chosen }: DeviceList): string[] {
  return engines.map(({ engine, device, available, reason, gflops }) => {
    const mark = chosen?.engine === engine && chosen.device === device ? '>' : ' ';
    const speed = gflops === null ? '' : `${gflops.toFixed(gflops < 10 ? 1 : 0)} GFLOP/s`;
    return `${mark} ${engine.padEnd(11)} ${device.padEnd(7)} ${(available ? 'works' : '-').padEnd(6)} ${speed.padEnd(14)} ${reason ?? ''}`.trimEnd();
  });
}
