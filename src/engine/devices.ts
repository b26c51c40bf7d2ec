import { UserError } from '../platform/errors.ts';
import { keepReports, readReports } from './device-cache.ts';
import type { Engine, EngineName } from './engine.ts';
import { isolatedSelfTest } from './isolated-self-test.ts';
import { type Device, findDevices, knownDevices, openEngine } from './open-engine.ts';
import { type SelfTestReport, selfTest } from './self-test.ts';
import { whyMissing } from './tensorflow/load-tensorflow.ts';

/** A device, what its self-test found, and for one that works and was not chosen why not. */
export interface DeviceRecord extends SelfTestReport {
  readonly engine: EngineName;
  readonly device: string;
}

export interface DeviceList {
  readonly engines: readonly DeviceRecord[];
  /** The fastest that passes its self-test; null where none does. */
  readonly chosen: { readonly engine: EngineName; readonly device: string } | null;
}

/** Self-tests and measures every known device, afresh. */
export async function listDevices(): Promise<DeviceList> {
  const reports = await examine(knownDevices, new Map());
  const chosen = fastest(reports);
  const engines = [...reports].map(([device, report]) => ({
    ...device,
    ...report,
    reason: passedOver(device, report, chosen),
  }));
  return { engines, chosen: chosen && { engine: chosen.device.engine, device: chosen.device.device } };
}

/**
 * Opens the fastest device that passes its self-test, among those of an engine or with a name where these are given;
 * `auto` or nothing leaves the choice open. What was tested and measured before is not tested again.
 *
 * Throws a `UsageError` for an unknown engine or device, and a `UserError` with the reasons where none of them works.
 */
export async function chooseEngine(
  wanted: { engine?: string | undefined; device?: string | undefined } = {},
): Promise<Engine> {
  const devices = findDevices(wanted.engine, wanted.device);
  const [only, another] = devices;
  // Asked for by name and bound to work: there is nothing to find out.
  if (only && !another && isPlain(only)) return openOrExplain(only);
  const known = await readReports(devices);
  // Who asks for one device that failed before may have mended it.
  if (only && !another && known.get(only)?.selfTest !== 'passed') known.clear();
  const reports = await examine(devices, known);
  const chosen = fastest(reports);
  if (chosen) return openOrExplain(chosen.device);
  const reasons = [...reports].map(([{ engine, device }, { reason }]) => `${engine} ${device}: ${reason}`);
  throw new UserError(
    `No device that was asked for works here (${reasons.join('; ')}); \`unmask devices\` lists those that do.`,
  );
}

async function openOrExplain(device: Device): Promise<Engine> {
  try {
    return await openEngine(device);
  } catch (error) {
    const reason = (error as Error).message.split('\n')[0];
    throw new UserError(
      `${device.engine} does not start on ${device.device} (${reason}); \`unmask devices\` lists what works.`,
    );
  }
}

/** Those that need no driver and no native library of the machine's. They are tested in this process. */
function isPlain({ engine, device }: Device): boolean {
  return device === 'cpu' || (engine === 'tensorflow' && device === 'wasm');
}

/** A report on each device: what can be told at once, else what is known, else a self-test, which is kept for later. */
async function examine(
  devices: readonly Device[],
  known: ReadonlyMap<Device, SelfTestReport>,
): Promise<Map<Device, SelfTestReport>> {
  const reports = new Map<Device, SelfTestReport>();
  const fresh = new Map<Device, SelfTestReport>();
  // One after the other: each is measured alone.
  for (const device of devices) {
    const absent = await whyAbsent(device);
    let report = known.get(device);
    if (absent) report = { available: false, selfTest: 'skipped', reason: absent, gflops: null };
    else if (!report) {
      report = await (isPlain(device) ? selfTest(device) : isolatedSelfTest(device));
      fresh.set(device, report);
    }
    reports.set(device, report);
  }
  if (fresh.size > 0) await keepReports(fresh);
  return reports;
}

/** What can be told without starting anything; null: it must be tried. */
async function whyAbsent({ engine, device }: Device): Promise<string | null> {
  if (engine === 'tensorflow') return device === 'gpu' || device === 'node' ? whyMissing(device) : null;
  const unbuilt = `onnxruntime-node has no ${device} build for ${process.platform} ${process.arch}`;
  try {
    const { listSupportedBackends } = await import('onnxruntime-node');
    return listSupportedBackends().some(({ name }) => name === device) ? null : unbuilt;
  } catch {
    return unbuilt;
  }
}

interface Measured {
  readonly device: Device;
  readonly gflops: number;
}

function fastest(reports: ReadonlyMap<Device, SelfTestReport>): Measured | null {
  let best: Measured | null = null;
  for (const [device, { selfTest, gflops }] of reports)
    if (selfTest === 'passed' && gflops !== null && gflops > (best?.gflops ?? 0)) best = { device, gflops };
  return best;
}

function passedOver(device: Device, report: SelfTestReport, chosen: Measured | null): string | null {
  if (report.selfTest !== 'passed' || !chosen || chosen.device === device) return report.reason;
  return `slower than ${chosen.device.engine} ${chosen.device.device}`;
}
