import { listDevices } from '../../engine/devices.ts';
import type { AddCommand } from '../command.ts';

export function addDevices(add: AddCommand): void {
  add('devices', 'Self-test and measure every tensor engine on this machine', async () => {
    const found = await listDevices();
    // Code of others is run from a later version on; until then nothing here needs a sandbox.
    const sandbox = { available: false, kind: null, limits: [], reason: 'no task of this version runs code' };
    const rows = found.engines.map(({ engine, device, available, reason, gflops }) => {
      const chosen = found.chosen?.engine === engine && found.chosen.device === device;
      const speed = gflops === null ? '' : `${gflops.toFixed(gflops < 10 ? 1 : 0)} GFLOP/s`;
      return `${chosen ? '>' : ' '} ${engine.padEnd(11)} ${device.padEnd(7)} ${(available ? 'works' : '-').padEnd(6)} ${speed.padEnd(14)} ${reason ?? ''}`.trimEnd();
    });
    return { document: { ...found, sandbox }, lines: rows };
  });
}
