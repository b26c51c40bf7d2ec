import { findDevice } from '../../engine/open-engine.ts';
import { selfTest } from '../../engine/self-test.ts';
import type { AddCommand } from '../command.ts';

/** A hidden command. `unmask devices` runs it in a separate process because a driver may crash. */
export function addSelfTest(add: AddCommand): void {
  add<{ readonly engine: string; readonly device: string }>(
    'self-test',
    'Self-test one device',
    async ({ engine, device }) => {
      const report = await selfTest(findDevice(engine, device));
      return { document: report, lines: [JSON.stringify(report)] };
    },
    { hidden: true },
  )
    .argument('<engine>')
    .argument('<device>');
}
