import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { type Browser, chromium, type Page } from 'playwright-core';
import { freePort } from '../../bench/free-port.ts';
import { findChromium } from '../../scripts/testing/chromium.ts';
import { ensureCodeServer } from './code-server.ts';

/** Settings that keep a test's workbench quiet: no welcome page, no updates, no assistant. */
const quiet = {
  'workbench.startupEditor': 'none',
  'extensions.autoUpdate': false,
  'extensions.autoCheckUpdates': false,
  'chat.disableAIFeatures': true,
  'chat.agentHost.enabled': false,
};

/** Every suggestion comes from the model and is shown, as the tests of the model's suggestions need it. */
const modelOnly = { 'unmask.completions.copies': false, 'unmask.completions.eagerness': 'always' };

export interface WorkbenchOptions {
  /** Packages that are installed before it starts. */
  readonly install?: readonly string[];
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Machine settings, which may name programs and models. */
  readonly machineSettings?: Readonly<Record<string, unknown>>;
  /** Whether its workspaces are trusted; default: true. */
  readonly trusted?: boolean;
  /** Additional options of the server. */
  readonly options?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

/**
 * A VS Code for one test: a code-server with an empty profile on a free port, and a browser that shows it. `close` ends
 * both and deletes the profile; this also happens if this process ends for any reason.
 */
export class Workbench {
  readonly address: string;
  readonly #folder: string;
  readonly #server: ChildProcess;
  readonly #browser: Browser;
  readonly #output: string[];

  private constructor(address: string, folder: string, server: ChildProcess, browser: Browser, output: string[]) {
    this.address = address;
    this.#folder = folder;
    this.#server = server;
    this.#browser = browser;
    this.#output = output;
  }

  static async start(wanted: WorkbenchOptions = {}) {
    const {
      install = [],
      settings = {},
      machineSettings = {},
      trusted = true,
      options = [],
      environment = {},
    } = wanted;
    const { node, script } = await ensureCodeServer();
    const executablePath = findChromium();
    if (!executablePath) throw new Error('Chromium is not installed; on Debian and Ubuntu: apt-get install chromium.');

    const folder = mkdtempSync(path.join(tmpdir(), 'unmask-workbench-'));
    const undo: (() => void)[] = [() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 })];
    const release = onExit(() => {
      for (const step of undo.toReversed()) step();
    });
    try {
      const user = path.join(folder, 'user', 'User');
      mkdirSync(user, { recursive: true });
      writeFileSync(path.join(user, 'settings.json'), JSON.stringify({ ...quiet, ...modelOnly, ...settings }));
      const machine = path.join(folder, 'user', 'Machine');
      mkdirSync(machine, { recursive: true });
      writeFileSync(path.join(machine, 'settings.json'), JSON.stringify(machineSettings));
      const profile = [
        ...['--user-data-dir', path.join(folder, 'user')],
        ...['--extensions-dir', path.join(folder, 'extensions')],
        ...['--config', '/dev/null'],
      ];
      // The server and the extension write to the profile instead of the user's own folders, so this is deleted too.
      const data = { XDG_DATA_HOME: path.join(folder, 'data'), UNMASK_HOME: path.join(folder, 'unmask') };
      const env = { ...process.env, ...data, ...environment };
      for (const file of install) {
        await promisify(execFile)(node, [script, ...profile, '--install-extension', file, '--force'], { env });
      }

      const port = await freePort();
      const server = spawn(
        node,
        [
          script,
          ...profile,
          ...['--bind-addr', `127.0.0.1:${port}`, '--auth', 'none'],
          ...['--disable-telemetry', '--disable-update-check'],
          ...(trusted ? ['--disable-workspace-trust'] : []),
          ...options,
        ],
        // A separate process group, so that all of its processes can be ended at once.
        { env, stdio: ['ignore', 'pipe', 'pipe'], detached: true },
      );
      undo.push(() => killGroup(server));
      const output: string[] = [];
      for (const stream of [server.stdout, server.stderr]) {
        stream.setEncoding('utf8').on('data', (chunk: string) => output.push(chunk));
      }
      const address = `127.0.0.1:${port}`;
      await answers(`http://${address}/healthz`, server, output);
      const browser = await chromium.launch({
        executablePath,
        args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
      });
      const workbench = new Workbench(address, folder, server, browser, output);
      workbench.#release = release;
      return workbench;
    } catch (error) {
      release();
      throw error;
    }
  }

  #release: () => void = () => {};

  /** Opens a window on a folder; `payload` replaces command-line options in the browser build. */
  async open(folder: string, payload: readonly (readonly [string, string])[] = [], prepare = async (_: Page) => {}) {
    const page = await this.#browser.newPage({ viewport: { width: 1280, height: 800 } });
    await prepare(page);
    const url = new URL(`http://${this.address}/`);
    url.searchParams.set('folder', folder);
    if (payload.length > 0) url.searchParams.set('payload', JSON.stringify(payload));
    await page.goto(url.href);
    return page;
  }

  /** The server's output, for error messages. */
  get log(): string {
    return this.#output.join('');
  }

  get profile(): string {
    return this.#folder;
  }

  /** The data home of its extensions. */
  get home(): string {
    return path.join(this.#folder, 'unmask');
  }

  /** The processes that serve completions in its windows. */
  runtimes(): number[] {
    const listed = execFileSync('ps', ['-eo', 'pid,args'], { encoding: 'utf8' });
    return listed
      .split('\n')
      .filter((line) => line.includes(path.join(this.#folder, 'extensions')) && / serve\b/.test(line))
      .map((line) => Number(line.trim().split(' ')[0]));
  }

  async close(): Promise<void> {
    await this.#browser.close();
    const ended = new Promise((resolve) => this.#server.once('exit', resolve));
    killGroup(this.#server);
    if (this.#server.exitCode === null && this.#server.signalCode === null) await ended;
    this.#release();
  }
}

/** Runs `undo` once, when this process ends or the returned function is called. */
function onExit(undo: () => void): () => void {
  const leave = (signal: NodeJS.Signals) => {
    once();
    process.kill(process.pid, signal);
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  const once = () => {
    process.off('exit', once);
    for (const signal of signals) process.off(signal, leave);
    undo();
  };
  process.on('exit', once);
  for (const signal of signals) process.on(signal, leave);
  return once;
}

function killGroup(server: ChildProcess): void {
  if (server.pid === undefined) return;
  try {
    process.kill(-server.pid, 'SIGKILL');
  } catch {
    // The process has already ended.
  }
}

async function answers(url: string, server: ChildProcess, output: readonly string[]): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (Date.now() < deadline && server.exitCode === null) {
    const ok = await fetch(url).then(
      (response) => response.ok,
      () => false,
    );
    if (ok) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`code-server did not start:\n${output.join('').slice(-4000)}`);
}
