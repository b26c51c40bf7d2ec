import { findDevice } from '../../engine/open-engine.ts';
import { selfTest } from '../../engine/self-test.ts';
import type { AddCommand } from '../command.ts';

interface SelfTestOptions {
  readonly engine: string;
  readonly device: string;
}

/** `devices` starts this for each device that could crash or hang, in a process of its own. */
export function addSelfTest(add: AddCommand): void {
  add<SelfTestOptions>('self-test', 'Self-test and measure one engine on one device', async ({ engine, device }) => {
    const report = await selfTest(findDevice(engine, device));
    return { document: report, lines: [report.reason ?? `passed, ${report.gflops} GFLOP/s`] };
  })
    .argument('<engine>')
    .argument('<device>');
}
