/**
 * Loaded into a job's process with `--import`: makes one thing go wrong at a given file operation. `UNMASK_FAULT` has the
 * fault as JSON (`Fault` in `faults.ts`). `UNMASK_FAULT_LOG` names a file to which the process appends one line when the fault
 * happens, and at its end the number of file operations that it made.
 *
 * Operations are calls that change the disk: they are counted over all of Node's file functions, in the order of the calls.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import path from 'node:path';

/** @type {{ kind: string, at: number, moment?: 'before' | 'during' | 'after', failures?: number, milliseconds?: number }} */
const fault = JSON.parse(process.env.UNMASK_FAULT ?? '{"kind":"none","at":0}');
const log = process.env.UNMASK_FAULT_LOG ?? '';
const original = {
  appendFileSync: fs.appendFileSync,
  writeFileSync: fs.writeFileSync,
  readdirSync: fs.readdirSync,
  rmSync: fs.rmSync,
};
let operations = 0;
let left = fault.failures ?? 1;

/** @param {string} line */
const note = (line) => original.appendFileSync(log, `${line}\n`);
process.once('exit', () => note(`operations ${operations}`));

function die() {
  note('injected');
  process.kill(process.pid, 'SIGKILL');
  // The signal ends the process before the next statement; this waits where a system delivers it later.
  for (;;);
}

/** @param {string} name */
function noSpace(name) {
  return Object.assign(new Error(`ENOSPC: no space left on device, ${name}`), {
    code: 'ENOSPC',
    errno: -28,
    syscall: name,
  });
}

/** Leaves half of what the operation would have done. @param {string} name @param {unknown[]} parameters */
function doHalf(name, parameters) {
  const [target, data] = parameters;
  if (name === 'writeFile' && typeof target === 'string')
    original.writeFileSync(
      target,
      Buffer.from(/** @type {string} */ (data)).subarray(0, Buffer.byteLength(/** @type {string} */ (data)) / 2),
    );
  if (name === 'rm' && typeof target === 'string' && fs.existsSync(target) && fs.statSync(target).isDirectory()) {
    const [first] = original.readdirSync(target);
    if (first !== undefined) original.rmSync(path.join(target, first), { recursive: true });
  }
}

/** Whether a full disk lets an operation fail. Removing and shortening files needs no space. */
const needsSpace = new Set([
  'write',
  'writev',
  'writeFile',
  'appendFile',
  'open',
  'mkdir',
  'link',
  'sync',
  'datasync',
  'fsync',
  'copyFile',
]);

/** @typedef {'none' | 'fail' | 'delay' | 'die-after'} Decision */

/**
 * Counts an operation and says what to do with it.
 * @param {string} name @param {unknown[]} parameters @returns {Decision}
 */
function decide(name, parameters) {
  operations++;
  if (fault.kind === 'kill' && operations === fault.at) {
    if (fault.moment === 'after') return 'die-after';
    if (fault.moment === 'during') doHalf(name, parameters);
    die();
  }
  if (operations < fault.at) return 'none';
  if (fault.kind === 'disk-full' && needsSpace.has(name) && left > 0) {
    if (left === (fault.failures ?? 1)) note('injected');
    left--;
    return 'fail';
  }
  if (fault.kind === 'slow-sync' && ['sync', 'datasync', 'fsync'].includes(name) && left > 0) {
    left--;
    note('injected');
    return 'delay';
  }
  return 'none';
}

const wait = () => new Promise((resolve) => setTimeout(resolve, fault.milliseconds ?? 0));

/** Wraps a function that returns a promise. @param {any} object @param {string} name */
function wrapPromise(object, name) {
  const call = object[name];
  if (typeof call !== 'function') return;
  object[name] = async function (/** @type {unknown[]} */ ...parameters) {
    // Opening to read changes nothing.
    const decision = name === 'open' && readsOnly(parameters[1]) ? 'none' : decide(name, parameters);
    if (decision === 'fail') throw noSpace(name);
    if (decision === 'delay') await wait();
    const result = await call.apply(this, parameters);
    if (decision === 'die-after') die();
    return result;
  };
}

/** Wraps a function with a callback as its last parameter. @param {any} object @param {string} name */
function wrapCallback(object, name) {
  const call = object[name];
  object[name] = function (/** @type {any[]} */ ...parameters) {
    const back = parameters.at(-1);
    if (typeof back !== 'function' || (name === 'open' && readsOnly(parameters[1])))
      return call.apply(this, parameters);
    const decision = decide(name, parameters);
    if (decision === 'fail') return void process.nextTick(back, noSpace(name));
    const answered = (/** @type {unknown[]} */ ...results) => {
      if (decision === 'die-after') die();
      back(...results);
    };
    const start = () => call.apply(this, [...parameters.slice(0, -1), answered]);
    if (decision === 'delay') return void wait().then(start);
    return start();
  };
}

/** @param {unknown} flags */
const readsOnly = (flags) =>
  flags === undefined || flags === 'r' || flags === fs.constants.O_RDONLY || typeof flags === 'function';

if (fault.kind === 'clock') {
  const { now } = Date;
  const turnAt = now() + fault.at;
  let jumped = false;
  const shifted = () => {
    const time = now();
    if (time < turnAt) return time;
    if (!jumped) {
      jumped = true;
      note('injected');
    }
    return time + (fault.milliseconds ?? 0);
  };
  globalThis.Date = new Proxy(Date, {
    construct: (target, parameters) => Reflect.construct(target, parameters.length === 0 ? [shifted()] : parameters),
  });
  Date.now = shifted;
}

const changing = ['open', 'writeFile', 'appendFile', 'rename', 'rm', 'mkdir', 'link', 'unlink', 'truncate', 'copyFile'];
const file = await fs.promises.open(process.execPath, 'r');
const handles = Object.getPrototypeOf(file);
await file.close();
for (const name of ['write', 'writev', 'writeFile', 'appendFile', 'sync', 'datasync', 'truncate'])
  wrapPromise(handles, name);
for (const name of changing) wrapPromise(fs.promises, name);
for (const name of ['open', 'write', 'writev', 'fsync', 'rename', 'unlink', 'mkdir']) wrapCallback(fs, name);
syncBuiltinESMExports();
