import { findDevice } from '../../engine/open-engine.ts';
import { selfTest } from '../../engine/self-test.ts';
import type { AddCommand } from '../command.ts';

/** Not for people: `unmask devices` runs it in a process of its own, which a driver's crash may take down. */
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
