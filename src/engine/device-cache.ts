import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { cpus, hostname } from 'node:os';
import path from 'node:path';
import { dataHome, writeJson } from '../platform/files.ts';
import type { Device } from './open-engine.ts';
import type { SelfTestReport } from './self-test.ts';

/** Reports are valid for a week, so that a new driver or card is noticed even if `unmask devices` is never run. */
const lifetime = 7 * 24 * 3600 * 1000;

interface Entry extends SelfTestReport {
  readonly measuredAt: number;
}
interface CacheFile {
  readonly key: string;
  readonly reports: Readonly<Record<string, Entry>>;
}

const fileOf = (): string => path.join(dataHome(), 'cache', 'devices.json');
const nameOf = ({ engine, device }: Device): string => `${engine} ${device}`;

/** Recent reports of earlier self-tests, by the same versions on the same machine. */
export async function readReports(devices: readonly Device[]): Promise<Map<Device, SelfTestReport>> {
  const reports = await readEntries();
  const known = new Map<Device, SelfTestReport>();
  for (const device of devices) {
    const entry = reports[nameOf(device)];
    if (!entry || !(Date.now() - entry.measuredAt < lifetime)) continue;
    const { measuredAt: _, ...report } = entry;
    known.set(device, report);
  }
  return known;
}

/** Stores reports. If the data home cannot be written, the next process tests again. */
export async function keepReports(reports: ReadonlyMap<Device, SelfTestReport>): Promise<void> {
  const entries: Record<string, Entry> = { ...(await readEntries()) };
  for (const [device, report] of reports) entries[nameOf(device)] = { ...report, measuredAt: Date.now() };
  try {
    await writeJson(fileOf(), { key: machineKey(), reports: entries } satisfies CacheFile);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === undefined) throw error;
  }
}

async function readEntries(): Promise<CacheFile['reports']> {
  try {
    const { key, reports } = JSON.parse(await readFile(fileOf(), 'utf8')) as CacheFile;
    return key === machineKey() ? reports : {};
  } catch {
    // The file does not exist yet, or has another format.
    return {};
  }
}

/** Everything that a report depends on, except drivers. */
function machineKey(): string {
  const require = createRequire(import.meta.url);
  const version = (name: string): string => {
    try {
      return (require(`${name}/package.json`) as { version: string }).version;
    } catch {
      return 'none';
    }
  };
  const packages = ['onnxruntime-node', '@tensorflow/tfjs-core', '@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node'];
  const processors = cpus();
  return [
    ...packages.map((name) => `${name} ${version(name)}`),
    `node ${process.version} ${process.versions.electron ?? ''}`,
    `${process.platform} ${process.arch} ${hostname()} ${processors.length} ${processors[0]?.model}`,
  ].join('; ');
}
