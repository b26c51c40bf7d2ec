import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import path from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { Interrupted } from '../../src/platform/errors.ts';
import { findControlGroups } from '../../src/sandbox/control-groups.ts';
import { openSandbox, probeSandbox } from '../../src/sandbox/open-sandbox.ts';
import type { Sandbox, SandboxJob, SandboxRun } from '../../src/sandbox/sandbox.ts';
import { type CleanMachine, cleanMachine } from './clean-machine.ts';

let machine: CleanMachine;
let sandbox: Sandbox;
before(async () => {
  machine = await cleanMachine();
  sandbox = await openSandbox();
});
after(() => machine.leave());

// After every attack, nothing remains and the next run works.
afterEach(async () => {
  await machine.assertClean();
  const { code, broken, stdout } = await shell('echo "$((6 * 7))" >answer && cat answer');
  assert.deepEqual({ code, broken, stdout }, { code: 0, broken: null, stdout: '42\n' });
});

type Changes = Omit<SandboxJob, 'command'>;

/** The longest time that a run may take, in seconds, so that a loaded machine passes too. The limit of a `patient` run is above it. */
const soon = 30;
const patient = { seconds: 2 * soon };

const shell = (script: string, changes: Changes = {}): Promise<SandboxRun> =>
  sandbox.run({ command: ['/bin/sh', '-c', script], ...changes });

const node = (script: string, changes: Changes = {}): Promise<SandboxRun> =>
  sandbox.run({
    command: [process.execPath, '-e', script],
    shown: [{ host: process.execPath, inside: null }],
    ...changes,
  });

/** Reports the results of a list of attempts, each by its error code. */
const attempts = (...expressions: readonly string[]): string => `
  const fs = require('node:fs');
  const results = [];
  for (const attempt of [${expressions.map((expression) => `() => ${expression}`).join(', ')}]) {
    try { results.push(String(attempt())); } catch (error) { results.push(error.code); }
  }
  console.log(JSON.stringify(results));`;

describe('a candidate that attacks files', () => {
  it('cannot read outside the sandbox', async () => {
    const secret = path.join(machine.folder, 'secret');
    await writeFile(secret, 'a secret');
    try {
      const { stdout } = await node(
        attempts(
          `fs.readFileSync(${JSON.stringify(secret)})`,
          `fs.readFileSync('/etc/shadow')`,
          `fs.readdirSync('/root')`,
          `fs.readdirSync('/home')`,
          `fs.readdirSync('/proc').filter((name) => /^\\d+$/.test(name)).length < 6`,
          `Object.keys(process.env).sort()`,
        ),
      );
      const none = ['ENOENT', 'ENOENT', 'ENOENT', 'ENOENT'];
      assert.deepEqual(JSON.parse(stdout), [...none, 'true', 'HOME,PATH,PWD,TMPDIR']);
    } finally {
      await rm(secret);
    }
  });

  it('cannot write outside, or change mounted or supplied files', async () => {
    const shown = path.join(import.meta.dirname, 'clean-machine.ts');
    const text = await readFile(shown, 'utf8');
    const { stdout } = await node(
      attempts(
        `fs.writeFileSync('/usr/unmask', 'x')`,
        `fs.writeFileSync('/unmask', 'x')`,
        `fs.writeFileSync('/dev/unmask', 'x')`,
        `fs.writeFileSync('/etc/passwd', 'x')`,
        `fs.writeFileSync('shown.ts', 'x')`,
        `fs.writeFileSync('../kit/supplied.ts', 'x')`,
        `fs.unlinkSync('../kit/supplied.ts')`,
        `fs.renameSync('shown.ts', 'other.ts')`,
        `fs.writeFileSync('own.ts', 'x') ?? fs.readFileSync('own.ts')`,
        `fs.writeFileSync('/proc/sys/kernel/hostname', 'x')`,
      ),
      {
        shown: [
          { host: process.execPath, inside: null },
          { host: shown, inside: 'work/shown.ts' },
        ],
        files: [{ inside: 'kit/supplied.ts', content: 'supplied' }],
      },
    );
    const denied = ['EROFS', 'EROFS', 'EROFS', 'EROFS', 'EROFS', 'EROFS', 'EROFS', 'EBUSY', 'x'];
    const [hostname, ...others] = (JSON.parse(stdout) as string[]).reverse();
    assert.deepEqual(others.reverse(), denied);
    assert.match(hostname!, /^(EACCES|EROFS|EPERM)$/);
    assert.equal(await readFile(shown, 'utf8'), text);
  });

  it('changes its copy of a folder, not the folder itself', async () => {
    const copied = path.join(import.meta.dirname, '../tuning');
    const before = await readFile(path.join(copied, 'bounds.test.ts'), 'utf8');
    const { code, stdout } = await shell('echo changed >bounds.test.ts && cat bounds.test.ts && rm *.ts && ls', {
      copied,
    });
    assert.deepEqual([code, stdout], [0, 'changed\n']);
    assert.equal(await readFile(path.join(copied, 'bounds.test.ts'), 'utf8'), before);
  });

  it('inherits no open file', async () => {
    const { stdout } = await shell('ls /proc/self/fd');
    // The last one is the descriptor of the listing itself.
    assert.deepEqual(stdout.trim().split('\n'), ['0', '1', '2', '3', '4']);
  });

  it('can fill its scratch folders only up to their limit', async () => {
    const { stdout } = await shell(
      'for place in . /tmp /dev/shm; do for n in 1 2 3 4 5 6 7 8; do head -c 4000000 /dev/zero >"$place/$n" 2>/dev/null; done; du -sm "$place" | cut -f1; done; head -c 9000000 /dev/zero >/dev/shm/large; echo over',
      { limits: { scratchMiB: 16, fileMiB: 5 } },
    );
    const [work, temporary, memory, last] = stdout.trim().split('\n');
    for (const megabytes of [work, temporary, memory]) assert.ok(Number(megabytes) <= 16, stdout);
    assert.ok(Number(work) >= 15, stdout);
    assert.equal(last, 'over');
  });
});

describe('a candidate that attacks the network', () => {
  it('reaches neither this machine nor any other host', async () => {
    const server = createServer((socket) => socket.destroy());
    let reached = 0;
    server.on('connection', () => reached++);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    try {
      const { port } = server.address() as AddressInfo;
      const { stdout } = await node(`
        const results = { interfaces: Object.keys(require('node:os').networkInterfaces()) };
        const record = (name) => (error, answer) => {
          results[name] = error?.code ?? answer;
          if (Object.keys(results).length === 4) console.log(JSON.stringify(results));
        };
        require('node:net').connect(${port}, '127.0.0.1').on('connect', record('loopback')).on('error', record('loopback'));
        require('node:dns').lookup('unmask.invalid', record('lookup'));
        require('node:dns').resolve4('unmask.invalid', record('resolve'));`);
      const { interfaces, loopback, lookup, resolve } = JSON.parse(stdout);
      assert.deepEqual([interfaces, loopback], [['lo'], 'ECONNREFUSED']);
      assert.match(lookup, /^(EAI_AGAIN|ENOTFOUND)$/);
      assert.match(resolve, /^(ECONNREFUSED|ENOTFOUND|ETIMEOUT|ESERVFAIL)$/);
      assert.equal(reached, 0);
    } finally {
      server.close();
    }
  });

  it('cannot open sockets that a network namespace does not isolate', async () => {
    const script = `import ctypes, socket
made = []
for family in (40, 38, 17, (1 << 32) | 40, 1, 2, 10, 16):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.argtypes = [ctypes.c_long] * 4
    number = 198 if __import__("platform").machine() == "aarch64" else 41
    kind = 3 if family == 16 else 1
    made.append(0 if libc.syscall(number, family, kind, 0) >= 0 else ctypes.get_errno())
print(made)`;
    const { stdout, stderr } = await sandbox.run({ command: ['/usr/bin/python3', '-c', script] });
    assert.equal(stdout, '[97, 97, 97, 97, 0, 0, 0, 0]\n', stderr);
  });
});

const groups = await findControlGroups();

for (const grouped of [true, false]) {
  const skip = grouped && groups === null && 'this process may make no control groups';
  describe(`a candidate that exhausts resources, ${grouped ? 'limited by control groups' : 'limited by polling'}`, {
    skip,
  }, () => {
    let usual: Sandbox;
    before(async () => {
      usual = sandbox;
      sandbox = await probeSandbox('linux', grouped);
      assert.ok(sandbox.finding.limits.includes(grouped ? 'memory' : 'memory (watched)'));
    });
    after(() => {
      sandbox = usual;
    });

    it('is stopped if it forks without end', async () => {
      const run = await shell(`bomb() { bomb | bomb & }; bomb; sleep ${machine.mark}`, { limits: { seconds: 2 } });
      assert.notEqual(run.broken === null && run.code === 0, true, 'the run must not end normally');
      assert.ok(run.seconds < soon, `${run.seconds}`);
    });

    it('cannot start too many processes', async () => {
      const script = `for n in 1 2 3 4 5 6 7 8 9 10; do sleep ${machine.mark} & done; echo started`;
      const { code, stdout } = await shell(script, { limits: { processes: 8 } });
      assert.notEqual(code, 0);
      assert.equal(stdout, '');
    });

    it('is stopped if it fills memory', async () => {
      const script = `const kept = []; for (;;) kept.push(Buffer.alloc(2 ** 24, 1));`;
      const { code, broken } = await node(script, { limits: { memoryMiB: 256 } });
      assert.ok(broken === 'memory' || code !== 0, `${broken} ${code}`);
      assert.notEqual(broken, 'time');
    });

    it('is stopped if it fills memory with many processes', async () => {
      const one = `const kept = []; for (let n = 0; n < 5; n++) kept.push(Buffer.alloc(2 ** 24, 1)); setInterval(() => {}, 1000);`;
      const script = `const { spawn } = require('node:child_process'); for (let n = 0; n < 4; n++) spawn(process.execPath, ['-e', ${JSON.stringify(one)}]); setInterval(() => {}, 1000);`;
      const { broken } = await node(script, { limits: { memoryMiB: 256, processes: 128 } });
      assert.equal(broken, 'memory');
    });
  });
}

describe('a candidate that attacks processes', () => {
  it('cannot leave a daemon', async () => {
    const script = `(setsid sleep ${machine.mark} </dev/null >/dev/null 2>&1 3>&- &) ; echo gone`;
    const { code, stdout, seconds } = await shell(script, { limits: patient });
    assert.deepEqual([code, stdout], [0, 'gone\n']);
    assert.ok(seconds < soon, `${seconds}`);
  });

  it('cannot leave a daemon that holds its pipes', async () => {
    const { code, seconds } = await shell(`setsid sleep ${machine.mark} & exit 0`, { limits: patient });
    assert.equal(code, 0);
    assert.ok(seconds < soon, `${seconds}`);
  });

  it('is killed if it ignores every signal that can be ignored', async () => {
    const script = `for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGXCPU']) process.on(name, () => {}); setInterval(() => {}, 1000, '${machine.mark}')`;
    const { broken, signal, seconds } = await node(script, { limits: { seconds: 1 } });
    assert.deepEqual([broken, signal], ['time', 'SIGKILL']);
    assert.ok(seconds < soon, `${seconds}`);
  });

  it('is stopped if it computes forever', async () => {
    const script = `process.on('SIGXCPU', () => {}); for (;;);`;
    const { broken, code, seconds } = await node(script, { limits: { cpuSeconds: 1, ...patient } });
    assert.equal(broken, null, 'the limit on CPU time ends it before the wall clock does');
    assert.notEqual(code, 0);
    assert.ok(seconds < soon, `${seconds}`);
  });

  it('cannot signal any process outside', async () => {
    const { seconds } = await shell(`sleep ${machine.mark} & kill -9 -1; kill -9 1; kill -9 ${process.pid}`, {
      limits: patient,
    });
    assert.ok(seconds < soon, 'it found only its own processes');
  });

  it('cannot create namespaces or mounts, or gain capabilities', async () => {
    const { stdout } = await shell(
      'unshare --user true 2>/dev/null || echo none; mount -t tmpfs none /tmp 2>/dev/null || echo none; grep -E "CapEff|CapBnd|NoNewPrivs|Seccomp:" /proc/self/status | tr -d "\\t"; id -u',
    );
    const none = '0000000000000000';
    assert.equal(stdout, `none\nnone\nCapEff:${none}\nCapBnd:${none}\nNoNewPrivs:1\nSeccomp:2\n65534\n`);
  });

  it('ends together with its job', async () => {
    const controller = new AbortController();
    const running = sandbox.run({ command: ['/bin/sleep', machine.mark] }, controller.signal);
    setTimeout(() => controller.abort(), 200);
    await assert.rejects(running, Interrupted);
  });
});

describe('a candidate that attacks with output', () => {
  it('cannot hide memory outside every process', async () => {
    const script =
      'import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\nprint(libc.memfd_create(b"x", 0), libc.shmget(0, 1 << 20, 0o1600), ctypes.get_errno())';
    const { stdout, stderr } = await sandbox.run({ command: ['/usr/bin/python3', '-c', script] });
    assert.equal(stdout, '-1 -1 38\n', stderr);
  });

  it('is stopped if it writes forever', async () => {
    for (const script of ['yes', 'yes >&2', 'yes >&3']) {
      const run = await shell(script, { limits: { outputMiB: 1 } });
      assert.equal(run.broken, 'output', script);
      for (const text of [run.stdout, run.stderr, run.report]) assert.ok(text.length <= 2 ** 20);
    }
  });

  it('may write invalid UTF-8', async () => {
    const { code, stdout, report } = await shell(`printf 'a\\377b\\300' && printf '\\376' >&3`);
    assert.deepEqual([code, stdout, report], [0, 'a\uFFFDb\uFFFD', '\uFFFD']);
  });
});
