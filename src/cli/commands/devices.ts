import { type DeviceList, listDevices } from '../../engine/devices.ts';
import type { AddCommand } from '../command.ts';

export function addDevices(add: AddCommand): void {
  add('devices', 'Self-test and measure every tensor engine on this machine', async () => {
    const found = await listDevices();
    // Code of others is run from a later version on; until then nothing here needs a sandbox.
    const sandbox = { available: false, kind: null, limits: [], reason: 'no task of this version runs code' };
    return { document: { ...found, sandbox }, lines: deviceRows(found) };
  });
}

/** A line per device: what works, how fast, and why each other was passed over. */
export function deviceRows({ engines, chosen }: DeviceList): string[] {
  return engines.map(({ engine, device, available, reason, gflops }) => {
    const mark = chosen?.engine === engine && chosen.device === device ? '>' : ' ';
    const speed = gflops === null ? '' : `${gflops.toFixed(gflops < 10 ? 1 : 0)} GFLOP/s`;
    return `${mark} ${engine.padEnd(11)} ${device.padEnd(7)} ${(available ? 'works' : '-').padEnd(6)} ${speed.padEnd(14)} ${reason ?? ''}`.trimEnd();
  });
}
