import { arch, cpus, homedir, hostname, release, totalmem, userInfo } from 'node:os';
import path from 'node:path';
import { listDevices } from '../../engine/devices.ts';
import { messageOf } from '../../platform/errors.ts';
import { dataHome, readText, writeJson } from '../../platform/files.ts';
import { packageVersion } from '../../platform/package-root.ts';
import { printable } from '../../protocol/printable.ts';
import { diskUse } from '../../runs/disk-use.ts';
import { runFile } from '../../runs/layout.ts';
import { listRuns } from '../../runs/reader.ts';
import { findSandbox } from '../../sandbox/open-sandbox.ts';
import { hasSecret } from '../../workspace/files.ts';
import type { AddCommand } from '../command.ts';

interface DiagnosticsOptions {
  readonly out?: string;
}

/** Runs whose state and log are included, and lines of each log. */
const most = { runs: 10, lines: 200 };

/**
 * Lines of `log.txt` that this program writes from its own numbers. All others may quote a file, a test or a message of another
 * program, so they are left out.
 */
const ownLine =
  /^\S+ (Started|Resumed after step \d+|Step \d+: \d|Saved the checkpoint|Evaluat(ed|ing)|Paused|Continued|Finished|Stopped|Request received|rollouts?|step \d+: )/;

export function addDiagnostics(add: AddCommand): void {
  add<DiagnosticsOptions>(
    'diagnostics',
    'Collect versions, devices and the states of runs for a bug report, without any content of files',
    async ({ out }) => {
      const parts = await collect();
      const names = Object.keys(parts);
      const text = JSON.stringify(parts, null, 2);
      if (out === undefined) return { document: { file: null, parts: names, content: parts }, lines: text.split('\n') };
      const file = path.resolve(out);
      await writeJson(file, parts);
      return {
        document: { file, parts: names },
        lines: [...text.split('\n'), '', `Saved as ${file}. Nothing was sent; read it before you share it.`],
      };
    },
  ).option('--out <file>', 'file to write (default: only print)');
}

async function collect(): Promise<Record<string, unknown>> {
  const conceal = concealer();
  const attempt = async <T>(work: () => Promise<T>): Promise<T | { readonly problem: string }> =>
    work().catch((error: unknown) => ({ problem: messageOf(error) }));
  const parts = {
    versions: { unmask: packageVersion(), node: process.versions.node, electron: process.versions.electron ?? null },
    machine: {
      system: `${process.platform} ${release()}`,
      architecture: arch(),
      processor: cpus()[0]?.model ?? 'unknown',
      cores: cpus().length,
      memory: totalmem(),
    },
    devices: await attempt(listDevices),
    sandbox: await attempt(findSandbox),
    disk: await attempt(() => diskUse(dataHome())),
    runs: await attempt(runStates),
  };
  return JSON.parse(JSON.stringify(parts), (_, value: unknown) => (typeof value === 'string' ? conceal(value) : value));
}

/** The states of the newest runs and the lines of their logs that hold numbers only. Names of models and tasks are left out. */
async function runStates() {
  const root = path.join(dataHome(), 'runs');
  const runs = (await listRuns(root)).slice(0, most.runs);
  return Promise.all(
    runs.map(async ({ dir, kind, objective, state, step, steps }) => {
      const log = await readText(runFile(dir).log).catch(() => '');
      const lines = log.split('\n').filter((line) => ownLine.test(line));
      return { kind, objective, state, step, steps, log: lines.slice(-most.lines) };
    }),
  );
}

/** Replaces what identifies the user: the home folder and the data home, the names of user and machine, and secrets. */
function concealer(): (text: string) => string {
  const names: [string, string][] = [
    [dataHome(), '<data home>'],
    [homedir(), '<home>'],
    [hostname(), '<machine>'],
    [userName(), '<user>'],
  ];
  return (text) => {
    if (hasSecret(text)) return '<left out: it looks like a secret>';
    return names.reduce(
      (concealed, [name, shown]) => (name.length < 2 ? concealed : concealed.replaceAll(name, shown)),
      printable(text),
    );
  };
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // The user has no entry in the system's list.
    return '';
  }
}
