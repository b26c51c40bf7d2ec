import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { UserError } from '../../src/platform/errors.ts';
import { countsProcessesInside } from '../../src/sandbox/bubblewrap.ts';
import { findControlGroups } from '../../src/sandbox/control-groups.ts';
import { closeDescriptors, inheritableDescriptors } from '../../src/sandbox/descriptors.ts';
import { failureReason, findSandbox, probeSandbox } from '../../src/sandbox/open-sandbox.ts';
import { findProgram } from '../../src/sandbox/programs.ts';
import { seatbeltProfile } from '../../src/sandbox/seatbelt.ts';
import { seccompFilter } from '../../src/sandbox/seccomp.ts';
import { within } from '../../src/sandbox/stage.ts';

describe('the description of the sandbox', () => {
  it('names its kind and its limits if it works', { skip: process.platform !== 'linux' && 'Linux only' }, async () => {
    const finding = await findSandbox();
    assert.deepEqual([finding.available, finding.kind, finding.reason], [true, 'bubblewrap', null]);
    for (const limit of ['no network', 'wall time', 'output']) assert.ok(finding.limits.includes(limit));
    const memory = (await findControlGroups()) === null ? 'memory (watched)' : 'memory';
    assert.ok(finding.limits.includes(memory));
  });

  it('says why there is none on other systems, and what to use instead', async () => {
    for (const platform of ['win32', 'freebsd'])
      await assert.rejects(
        probeSandbox(platform),
        (error) => error instanceof UserError && /cannot run on .*; open the folder in WSL 2/.test(error.message),
      );
  });

  it('ends with the error of a failed trial, in one sentence', () => {
    const failed = { code: 1, signal: null, broken: null, stdout: '', report: '', seconds: 0 };
    const reason = failureReason({ ...failed, stderr: 'bwrap: something\nelse' });
    assert.match(reason, /^bwrap: something; fix that, or use a dev container or a remote host/);
    assert.match(failureReason({ ...failed, stderr: '' }), /^it ended with exit code 1;/);
    assert.match(failureReason({ ...failed, stderr: '', broken: 'time' }), /^it exceeded the limit on time;/);
  });
});

describe('the parts of the sandbox', () => {
  it('rejects paths that lead out of its folder', () => {
    assert.equal(within('/', 'work/a'), '/work/a');
    assert.equal(within('/stage', 'kit/a'), '/stage/kit/a');
    for (const path of ['../a', '/etc/passwd', 'kit/../../a']) assert.throws(() => within('/stage', path), /leads out/);
  });

  it('recognises kernels that count processes by namespace', () => {
    for (const release of ['5.14.0', '5.15.0-91-generic', '6.1.0-18-amd64']) assert.ok(countsProcessesInside(release));
    for (const release of ['5.10.0-28-amd64', '4.18.0', '']) assert.ok(!countsProcessesInside(release));
  });

  it('filters system calls on known architectures, and sockets by their family', () => {
    const [allowed, notImplemented, notSupported, killed] = [0x7fff0000, 0x00050026, 0x00050061, 0x80000000];
    for (const [architecture, machine, { read, ptrace, mount, socket, signals }] of [
      ['x64', 0xc000003e, { read: 0, ptrace: 101, mount: 165, socket: 41, signals: [62, 200, 234, 129, 297, 424] }],
      ['arm64', 0xc00000b7, { read: 63, ptrace: 117, mount: 40, socket: 198, signals: [129, 130, 131, 138, 240, 424] }],
    ] as const) {
      const answer = (number: number, argument = 0, on: number = machine, options = {}) =>
        filtered(seccompFilter(architecture, options)!, { number, machine: on, argument });
      assert.equal(answer(read), allowed);
      assert.equal(answer(read, 0, 0x40000003), killed, 'by the numbers of another architecture');
      for (const number of [ptrace, mount, 0x40000000 + read]) assert.equal(answer(number), notImplemented);
      const [unix, inet, inet6, netlink, packet, vsock] = [1, 2, 10, 16, 17, 40];
      for (const family of [unix, inet, inet6, netlink]) assert.equal(answer(socket, family), allowed);
      for (const family of [packet, vsock]) assert.equal(answer(socket, family), notSupported);
      for (const family of [unix, inet, inet6, netlink])
        assert.equal(answer(socket, family, machine, { isSolitary: true }), notSupported);
      for (const call of signals) {
        assert.equal(answer(call, 10), 0x00050001, 'SIGUSR1 opens the inspector of Node');
        assert.equal(answer(call, 9), allowed);
      }
    }
    assert.equal(seccompFilter('riscv64'), null);
  });

  it('finds and closes descriptors that would be inherited', {
    skip: process.platform !== 'linux' && 'Linux only',
  }, () => {
    const listed =
      'console.log(JSON.stringify(require("node:fs").readdirSync("/proc/self/fd").map(Number).includes(50)))';
    const command = (descriptors: number[]) => [...closeDescriptors(descriptors), process.execPath, '-e', listed];
    const shell = (words: string[]) =>
      spawnSync('bash', ['-c', 'exec 50</dev/null; exec "$@"', 'bash', ...words], { encoding: 'utf8' }).stdout;
    assert.equal(shell(command([])), 'true\n');
    assert.equal(shell(command([50])), 'false\n');
    assert.ok(!inheritableDescriptors().some((descriptor) => descriptor <= 2));
  });

  it('finds programs, and returns null for missing ones', () => {
    assert.match(findProgram('sh') ?? '', /^\/.*\/sh$/);
    assert.equal(findProgram('unmask-no-such-program'), null);
  });

  it('writes a profile for macOS that denies by default', () => {
    const profile = seatbeltProfile('/private/tmp/run', ['/opt/a "b"\\c']);
    assert.match(profile, /^\(version 1\)\n\(deny default\)\n/);
    assert.match(profile, /\(subpath "\/opt\/a \\"b\\"\\\\c"\)/);
    assert.match(profile, /\(deny process-fork\)/);
    assert.match(profile, /\(deny network\*\)$/);
    const writes = profile.split('\n').filter((line) => line.startsWith('(allow file-write'));
    assert.deepEqual(writes, [
      '(allow file-write-data (literal "/dev/null"))',
      '(allow file-write* (subpath "/private/tmp/run/work") (subpath "/private/tmp/run/tmp"))',
    ]);
  });
});

/** The result of a system call under a filter in classic BPF. */
function filtered(program: Buffer, call: { number: number; machine: number; argument: number }): number {
  const { number, machine, argument } = call;
  const shown: Readonly<Record<number, number>> = { 0: number, 4: machine, 16: argument, 24: argument, 32: argument };
  let held = 0;
  for (let at = 0; at < program.length; at += 8) {
    const [code, value] = [program.readUInt16LE(at), program.readUInt32LE(at + 4)];
    if (code === 0x06) return value;
    if (code === 0x20) held = shown[value] as number;
    else at += 8 * program.readUInt8(at + ((code === 0x15 ? held === value : held >= value) ? 2 : 3));
  }
  throw new Error('the filter has no answer');
}
