import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { it } from 'node:test';
import { ignoresHangUp } from '../../src/cli/interruption.ts';

const script = `
  import { ignoresHangUp, stopOnSignals } from ${JSON.stringify(new URL('../../src/cli/interruption.ts', import.meta.url).href)};
  const signal = stopOnSignals({ onHangUp: !ignoresHangUp() });
  const alive = setInterval(() => undefined, 1000);
  signal.addEventListener('abort', () => { console.log('saved'); clearInterval(alive); });
  console.log('ready');
`;
const node = [process.execPath, '--import', import.meta.resolve('tsx'), '--input-type=module', '-e', script];

/** Starts a process, sends it signals one after the other, and returns what it printed and how it ended. */
async function after(command: readonly string[], signals: readonly NodeJS.Signals[], environment = {}) {
  const [program, ...args] = command as [string, ...string[]];
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'ignore'], env: { ...process.env, ...environment } });
  let printed = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    printed += text;
  });
  await once(child.stdout, 'data');
  for (const signal of signals) child.kill(signal);
  const [code] = await once(child, 'exit');
  return { code, printed };
}

const skip = process.platform === 'win32' && 'signals of POSIX';

it('SIGHUP stops a command as SIGTERM does', { skip }, async () => {
  for (const signal of ['SIGHUP', 'SIGTERM'] as const)
    assert.deepEqual(await after(node, [signal], { _: '/bin/node' }), { code: 0, printed: 'ready\nsaved\n' }, signal);
});

it('SIGHUP is ignored after nohup', { skip }, async () => {
  assert.equal((await after(node, ['SIGHUP', 'SIGTERM'], { _: '/usr/bin/nohup' })).printed, 'ready\nsaved\n');
  assert.ok(ignoresHangUp('/usr/bin/nohup', ''));
  assert.ok(ignoresHangUp('/bin/bash', 'Name:\tsh\nSigIgn:\t0000000000001001\n'), 'the parent ignores it');
  assert.ok(!ignoresHangUp('/bin/bash', 'Name:\tsh\nSigIgn:\t0000000000001006\n'));
  assert.ok(!ignoresHangUp(undefined, ''));
});
