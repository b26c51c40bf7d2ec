import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, openSync, readdirSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir, userInfo } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { freePort } from '../../bench/free-port.ts';
import { unpackedDebianPackages } from '../../scripts/testing/debian-packages.ts';
import { messageOf } from '../../src/platform/errors.ts';

interface SlurmPrograms {
  /** The folder into which Debian's packages were unpacked. */
  readonly root: string;
  readonly env: NodeJS.ProcessEnv;
  readonly plugins: string;
}

/** Debian's Slurm and MUNGE, unpacked into the test cache; nothing is installed. A text is the reason why there is none. */
export async function findSlurm(): Promise<SlurmPrograms | string> {
  if (process.getuid?.() !== 0) return 'a Slurm node needs root';
  try {
    const root = await unpackedDebianPackages('slurm', ['slurmctld', 'slurmd', 'slurm-client', 'munge']);
    const libraries = path.join(root, 'usr', 'lib');
    const folders = readdirSync(libraries).filter((name) => name.endsWith('-linux-gnu'));
    const plugins = path.join(libraries, folders[0] ?? '', 'slurm-wlm');
    const search = [plugins, ...folders.map((name) => path.join(libraries, name)), process.env.LD_LIBRARY_PATH];
    const env = { ...process.env, LD_LIBRARY_PATH: search.filter((part) => part !== undefined).join(path.delimiter) };
    return { root, env, plugins };
  } catch (error) {
    return `Debian's Slurm could not be fetched (${messageOf(error)})`;
  }
}

/** Milliseconds in which a daemon must answer. */
const startLimit = 60_000;

/** A Slurm cluster whose only node is this machine. Jobs run without systemd and control groups. */
export class SlurmCluster {
  readonly #programs: SlurmPrograms;
  readonly #folder: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #daemons: ChildProcess[] = [];

  /** Starts the daemons. Throws an error with the ends of their logs if the node does not become idle. */
  static async start(programs: SlurmPrograms): Promise<SlurmCluster> {
    const cluster = new SlurmCluster(programs, await mkdtemp(path.join(tmpdir(), 'unmask-slurm-')));
    try {
      await cluster.#start();
      return cluster;
    } catch (error) {
      const logs = await cluster.#logs();
      await cluster.close();
      throw new Error(`The Slurm cluster did not start (${messageOf(error)}).\n${logs}`);
    }
  }

  private constructor(programs: SlurmPrograms, folder: string) {
    this.#programs = programs;
    this.#folder = folder;
    this.#env = { ...programs.env, SLURM_CONF: path.join(folder, 'slurm.conf') };
  }

  /** Runs a client program of Slurm, such as `sbatch`, and returns what it prints. */
  async run(program: string, args: readonly string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}) {
    const file = path.join(this.#programs.root, 'usr', 'bin', program);
    const env = { ...this.#env, ...options.env };
    return (await promisify(execFile)(file, args, { ...options, env })).stdout.trim();
  }

  /** States of the tasks of a job array by their index; finished tasks are known for some minutes. */
  async taskStates(job: string): Promise<Map<number, string>> {
    const rows = await this.run('squeue', ['--array', '--noheader', '--states=all', `--jobs=${job}`, '--format=%K %T']);
    return new Map(
      rows
        .split('\n')
        .filter((row) => row !== '')
        .map((row) => [Number(row.split(' ')[0]), row.split(' ')[1] as string]),
    );
  }

  /** Waits until no task of a job is pending or running, and returns the states. */
  async finished(job: string): Promise<Map<number, string>> {
    return waitFor(`the end of job ${job}`, 400_000, async () => {
      const states = await this.taskStates(job);
      const isOver = ![...states.values()].some((state) => /PENDING|RUNNING|COMPLETING|CONFIGURING/.test(state));
      return states.size > 0 && isOver ? states : null;
    });
  }

  /** Cancels all jobs, and ends the daemons. */
  async close(): Promise<void> {
    if (this.#daemons.length > 1) {
      await this.run('scancel', ['--user', userInfo().username]).catch(() => undefined);
      await waitFor('the end of all jobs', 30_000, async () =>
        (await this.run('squeue', ['--noheader'])) === '' ? true : null,
      ).catch(() => undefined);
    }
    for (const daemon of this.#daemons.reverse()) {
      if (daemon.exitCode !== null || daemon.signalCode !== null) continue;
      const ended = once(daemon, 'exit');
      daemon.kill('SIGKILL');
      await ended;
    }
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #start(): Promise<void> {
    const sbin = (name: string) => path.join(this.#programs.root, 'usr', 'sbin', name);
    const at = (name: string) => path.join(this.#folder, name);
    for (const name of ['state', 'spool']) await mkdir(at(name));
    await writeFile(at('munge.key'), randomBytes(128), { mode: 0o400 });
    await writeFile(at('slurm.conf'), await this.#configuration());
    const munge = ['key-file', 'socket', 'pid-file', 'log-file', 'seed-file'].map(
      (option) => `--${option}=${at(option === 'key-file' ? 'munge.key' : `munge-${option}`)}`,
    );
    await this.#daemon(sbin('munged'), ['--foreground', '--force', ...munge]);
    await waitFor('munged', startLimit, async () => (readdirSync(this.#folder).includes('munge-socket') ? true : null));
    const configuration = ['-f', at('slurm.conf')];
    await this.#daemon(sbin('slurmctld-wlm'), ['-D', '-c', ...configuration]);
    await this.#daemon(sbin('slurmd-wlm'), ['-D', '-c', '-d', sbin('slurmstepd-wlm'), ...configuration]);
    await waitFor('an idle node', startLimit, async () =>
      (await this.run('sinfo', ['--noheader', '--format=%T']).catch(() => '')) === 'idle' ? true : null,
    );
  }

  async #daemon(file: string, args: readonly string[]): Promise<void> {
    const log = openSync(path.join(this.#folder, `${path.basename(file)}.log`), 'w');
    this.#daemons.push(spawn(file, args, { env: this.#env, stdio: ['ignore', log, log] }));
    closeSync(log);
  }

  async #configuration(): Promise<string> {
    const at = (name: string) => path.join(this.#folder, name);
    const host = hostname().split('.')[0] as string;
    const user = userInfo().username;
    const settings = {
      ClusterName: 'unmask',
      SlurmctldHost: `${host}(127.0.0.1)`,
      SlurmctldPort: await freePort(),
      SlurmdPort: await freePort(),
      SlurmUser: user,
      SlurmdUser: user,
      AuthInfo: `socket=${at('munge-socket')}`,
      AuthType: 'auth/munge',
      CredType: 'cred/munge',
      PluginDir: this.#programs.plugins,
      StateSaveLocation: at('state'),
      SlurmdSpoolDir: at('spool'),
      SlurmctldPidFile: at('slurmctld.pid'),
      SlurmdPidFile: at('slurmd.pid'),
      ProctrackType: 'proctrack/linuxproc',
      TaskPlugin: 'task/none',
      SwitchType: 'switch/none',
      MpiDefault: 'none',
      JobAcctGatherType: 'jobacct_gather/none',
      AccountingStorageType: 'accounting_storage/none',
      SelectType: 'select/cons_tres',
      SelectTypeParameters: 'CR_CPU',
      SchedulerParameters: 'sched_min_interval=100000,batch_sched_delay=0,sched_interval=1',
      // The node claims more processors and memory than the machine may have, so that two tasks of the sbatch file run at a time.
      SlurmdParameters: 'config_overrides',
      ReturnToService: 2,
      KillWait: 2,
    };
    return [
      ...Object.entries(settings).map(([name, value]) => `${name}=${value}`),
      `NodeName=${host} NodeAddr=127.0.0.1 CPUs=8 RealMemory=65536 State=UNKNOWN`,
      `PartitionName=main Nodes=${host} Default=YES MaxTime=INFINITE State=UP`,
      '',
    ].join('\n');
  }

  async #logs(): Promise<string> {
    const names = readdirSync(this.#folder).filter((name) => name.endsWith('.log') || name.endsWith('log-file'));
    const texts = names.map(async (name) => {
      const text = await readFile(path.join(this.#folder, name), 'utf8');
      return `${name}:\n${text.slice(-3_000)}`;
    });
    return (await Promise.all(texts)).join('\n');
  }
}

/** Asks until there is an answer. Throws an error that names `what` after `limit` milliseconds. */
export async function waitFor<T>(what: string, limit: number, ask: () => Promise<T | null>): Promise<T> {
  const last = performance.now() + limit;
  for (;;) {
    const answer = await ask();
    if (answer !== null) return answer;
    if (performance.now() > last) throw new Error(`there is no sign of ${what} after ${limit / 1000} s`);
    await delay(100);
  }
}
