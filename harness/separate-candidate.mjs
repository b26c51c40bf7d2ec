// Runs a candidate in a sandbox of its own and answers calls of its functions over descriptor 7. Nothing in this process is
// secret: it holds neither tests nor expected values, and what it sends is only the candidate's own results. The first message
// has the candidate, so that this program can be started before there is one.
import { read, readSync, writeFileSync, writeSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { Decoder, encode, isClonable, objectsIn } from './messages.mjs';

const channel = 7;
// Says that the sandbox works, before there is a candidate.
writeSync(3, 'started\n');
const decoder = new Decoder();
const bytes = Buffer.alloc(65_536);

/** @type {{ file: string, source: string, names: string[] }} */
const { file, source, names } = next();
writeFileSync(file, source);
/** @type {Record<string, unknown>} */
let candidate;
try {
  const loaded = await import(pathToFileURL(path.resolve(file)).href);
  // A plain script is loaded as CommonJS, whose exports are the default export.
  candidate = file.endsWith('.cjs') ? loaded.default : loaded;
  send({ ready: names.map((name) => shownExport(candidate[name])) });
} catch (error) {
  send({ failed: String(/** @type {any} */ (error)?.stack ?? error).slice(0, 500) });
  process.exit(1);
}
let promises = 0;
listen();

/** The first message; waits for it. @returns {any} */
function next() {
  for (;;) {
    const found = decoder.next();
    if (found.length > 0) return found[0];
    const count = readSync(channel, bytes);
    if (count === 0) process.exit(0);
    decoder.add(bytes.subarray(0, count));
  }
}

/** @param {unknown} value */
function shownExport(value) {
  if (typeof value === 'function') return { length: value.length };
  return isClonable(value) ? { value } : { unclonable: true };
}

function listen() {
  read(channel, bytes, 0, bytes.length, null, (error, count) => {
    if (error || count === 0) process.exit(0);
    decoder.add(bytes.subarray(0, count));
    for (const message of messages()) answer(message);
    listen();
  });
}

/** @returns {Generator<{ call: string, args: unknown[] }>} */
function* messages() {
  for (let found = decoder.next(); found.length > 0; found = decoder.next()) yield found[0];
}

/** @param {{ call: string, args: unknown[] }} message */
function answer({ call, args }) {
  const objects = [...objectsIn(args)];
  /** @param {Record<string, unknown>} result with the objects of the arguments as they are now */
  const reply = (result) =>
    send(isClonable([result, objects]) ? { ...result, objects } : { promise: result.promise, unclonable: true });
  /** @type {unknown} */
  let value;
  try {
    value = /** @type {Function} */ (candidate[call])(...args);
  } catch (error) {
    reply(thrown(error));
    return;
  }
  if (!(value instanceof Promise)) {
    reply({ value });
    return;
  }
  const promise = promises++;
  reply({ promise });
  value.then(
    (settled) => reply({ promise, value: settled }),
    (error) => reply({ promise, ...thrown(error) }),
  );
}

/** An error as a record: clones of errors lose their own properties. @param {unknown} error */
function thrown(error) {
  if (!(error instanceof Error)) return { thrown: isClonable(error) ? error : String(error) };
  const own = Object.fromEntries(Object.entries(error).filter(([, value]) => isClonable(value)));
  return { error: { name: String(error.name), message: String(error.message), kind: kindOf(error), own } };
}

/** The name of the built-in class of an error. @param {Error} error */
function kindOf(error) {
  const kinds = [TypeError, RangeError, SyntaxError, ReferenceError, EvalError, URIError];
  return kinds.find((kind) => error instanceof kind)?.name ?? 'Error';
}

/** @param {unknown} message */
function send(message) {
  const bytes = encode(message);
  for (let sent = 0; sent < bytes.length; ) sent += writeSync(channel, bytes, sent);
}
