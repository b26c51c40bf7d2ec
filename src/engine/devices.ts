import { UserError } from '../platform/errors.ts';
import { keepReports, readReports } from './device-cache.ts';
import type { Engine, EngineName } from './engine.ts';
import { isolatedSelfTest } from './isolated-self-test.ts';
import { type Device, findDevices, knownDevices, openEngine } from './open-engine.ts';
import { type SelfTestReport, selfTest } from './self-test.ts';
import { missingReason } from './tensorflow/load-tensorflow.ts';

/** A device and its self-test result. `reason` also says why a working device was not chosen. */
export interface DeviceRecord extends SelfTestReport {
  readonly engine: EngineName;
  readonly device: string;
}

export interface DeviceList {
  readonly engines: readonly DeviceRecord[];
  /** The fastest device that passes its self-test; null if there is none. */
  readonly chosen: { readonly engine: EngineName; readonly device: string } | null;
}

/** Self-tests and measures every known device again. */
export async function listDevices(): Promise<DeviceList> {
  const reports = await examine(knownDevices, new Map());
  const chosen = fastest(reports);
  const engines = [...reports].map(([device, report]) => ({
    ...device,
    ...report,
    reason: notChosenReason(device, report, chosen),
  }));
  return { engines, chosen: chosen && { engine: chosen.device.engine, device: chosen.device.device } };
}

/**
 * Opens the fastest device that passes its self-test, among the devices of this engine or with this name. `auto`
 * or undefined leaves the choice open. Earlier test results are reused.
 *
 * Throws a `UsageError` for an unknown engine or device, and a `UserError` with the reasons if none works.
 */
export async function chooseEngine(
  request: { engine?: string | undefined; device?: string | undefined } = {},
): Promise<Engine> {
  const devices = findDevices(request.engine, request.device);
  const [only, another] = devices;
  // A built-in device that was asked for by name needs no test.
  if (only && !another && isBuiltIn(only)) return openOrExplain(only);
  const known = await readReports(devices);
  // If the user asks for one device that failed before, test it again, because it may work now.
  if (only && !another && known.get(only)?.selfTest !== 'passed') known.clear();
  const reports = await examine(devices, known);
  const chosen = fastest(reports);
  if (chosen) return openOrExplain(chosen.device);
  const reasons = [...reports].map(([{ engine, device }, { reason }]) => `${engine} ${device}: ${reason}`);
  throw new UserError(
    `None of the requested devices works on this machine (${reasons.join('; ')}); run \`unmask devices\` to see which do.`,
  );
}

async function openOrExplain(device: Device): Promise<Engine> {
  try {
    return await openEngine(device);
  } catch (error) {
    const reason = (error as Error).message.split('\n')[0];
    throw new UserError(
      `${device.engine} could not start on ${device.device} (${reason}); run \`unmask devices\` to see which devices work.`,
    );
  }
}

/** Devices that need no driver and no native library of the system. They are tested in this process. */
function isBuiltIn({ engine, device }: Device): boolean {
  return device === 'cpu' || (engine === 'tensorflow' && device === 'wasm');
}

/**
 * Reports on each device: the reason if it is known to be absent, an earlier report, or a new self-test, which is
 * stored.
 */
async function examine(
  devices: readonly Device[],
  known: ReadonlyMap<Device, SelfTestReport>,
): Promise<Map<Device, SelfTestReport>> {
  const reports = new Map<Device, SelfTestReport>();
  const fresh = new Map<Device, SelfTestReport>();
  // One at a time, so that measurements do not disturb each other.
  for (const device of devices) {
    const absent = await absenceReason(device);
    let report = known.get(device);
    if (absent) report = { available: false, selfTest: 'skipped', reason: absent, gflops: null };
    else if (!report) {
      report = await (isBuiltIn(device) ? selfTest(device) : isolatedSelfTest(device));
      fresh.set(device, report);
    }
    reports.set(device, report);
  }
  if (fresh.size > 0) await keepReports(fresh);
  return reports;
}

/** Why a device cannot exist, as far as is known without starting anything. Null: it must be tested. */
async function absenceReason({ engine, device }: Device): Promise<string | null> {
  if (engine === 'tensorflow') return device === 'gpu' || device === 'node' ? missingReason(device) : null;
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

function notChosenReason(device: Device, report: SelfTestReport, chosen: Measured | null): string | null {
  if (report.selfTest !== 'passed' || !chosen || chosen.device === device) return report.reason;
  return `slower than ${chosen.device.engine} ${chosen.device.device}`;
}
