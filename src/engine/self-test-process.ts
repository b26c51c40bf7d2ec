/** The process that `isolatedSelfTest` starts when run from source: prints the report on the device named in argv. */
import { findDevice } from './open-engine.ts';
import { selfTest } from './self-test.ts';

const [engine, device] = process.argv.slice(3) as [string, string];
const report = await selfTest(findDevice(engine, device));
process.stdout.write(`${JSON.stringify(report)}\n`, () => process.exit());
