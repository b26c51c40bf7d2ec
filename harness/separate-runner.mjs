// Runs the tests of a problem on several candidates, each in a sandbox of its own that cannot read this process. Reads a job from
// stdin and writes a report to descriptor 3, in which the lines of each candidate begin with its nonce.
//
// The tests, the expected values and the report stay in this process. A test calls the functions of a candidate, whose process
// answers over a socket with structured clones. The socket of each candidate is a descriptor of this process.
import { closeSync, readFileSync, readSync, writeSync } from 'node:fs';
import { compileTests } from './code-tests.mjs';
import { messageOf } from './common.mjs';
import { Decoder, encode, isClonable, objectsIn } from './messages.mjs';

/** @typedef {{ nonce: string, file: string, source: string, channel: number }} CandidateJob */

/** @type {{ tests: string, names: string[], seconds: number, candidates: CandidateJob[] }} */
const { tests, names, seconds, candidates } = JSON.parse(readFileSync(0, 'utf8'));
const run = compiled();
const sleeper = new Int32Array(new SharedArrayBuffer(4));
/** The tests as a function. If they cannot be compiled, the run ends before any candidate is started. */
function compiled() {
  try {
    return compileTests(tests, names);
  } catch (error) {
    process.stderr.write(`they have an error: ${messageOf(error)}\n`);
    process.exit(1);
  }
}

/** @param {number} milliseconds */
const sleep = (milliseconds) => void Atomics.wait(sleeper, 0, 0, milliseconds);

/** Why a candidate's process no longer answers. */
class Over extends Error {
  /** @param {'ended' | 'late' | 'shared'} kind @param {string} message */
  constructor(kind, message) {
    super(message);
    this.kind = kind;
  }
}

/** The connection with a candidate's process. Reads are synchronous, because tests call functions synchronously. */
class Candidate {
  /** @type {Over | null} */
  over = null;
  #decoder = new Decoder();
  #deadline = performance.now() + 1000 * seconds;
  /** @type {Map<number, { objects: readonly object[], resolve: (value: unknown) => void, reject: (error: unknown) => void }>} */
  #pending = new Map();
  #polling = false;
  #bytes = Buffer.alloc(65_536);

  /** @param {CandidateJob} job */
  constructor({ file, source, channel }) {
    this.fd = channel;
    this.#send({ file, source, names });
  }

  /** The values of the names that tests use. */
  exports() {
    const { ready, failed } = this.#receive();
    if (failed !== undefined)
      throw this.#end(
        'ended',
        String(failed)
          .split('\n')
          .find((line) => /Error/.test(line)) ?? String(failed),
      );
    return names.map((name, index) => {
      const { length, unclonable, value } = ready[index];
      if (unclonable) throw this.#end('shared', `${name} cannot be copied to another process`);
      if (length === undefined) return value;
      /** @type {(...args: unknown[]) => unknown} */
      const call = (...args) => this.#call(name, args);
      return Object.defineProperty(call, 'length', { value: length });
    });
  }

  /** @param {string} name @param {unknown[]} args */
  #call(name, args) {
    if (!isClonable(args)) throw this.#end('shared', `an argument of ${name} cannot be copied to another process`);
    const objects = [...objectsIn(args)];
    this.#send({ call: name, args });
    for (;;) {
      const answer = this.#receive();
      // A promise of an earlier call may be settled first.
      if (answer.promise !== undefined && this.#pending.has(answer.promise)) this.#settle(answer);
      else return this.#resultOf(name, objects, answer);
    }
  }

  /** @param {string} name @param {readonly object[]} objects of the arguments @param {any} answer */
  #resultOf(name, objects, answer) {
    if (answer.unclonable) throw this.#end('shared', `a result of ${name} cannot be copied to another process`);
    const value = restoreObjects(objects, answer);
    if ('error' in answer || 'thrown' in answer) throw errorOf(answer);
    return answer.promise === undefined ? value : this.#promise(answer.promise, objects);
  }

  /** @param {number} id of a promise in the candidate's process @param {readonly object[]} objects of the arguments */
  #promise(id, objects) {
    const made = new Promise((resolve, reject) => {
      this.#pending.set(id, { objects, resolve, reject });
      this.#poll();
    });
    // A test may not wait for it.
    made.catch(() => undefined);
    return made;
  }

  /** Stops waiting for promises that no test waits for, and ends the candidate's process, which reads the end of its socket. */
  close() {
    this.#pending.clear();
    closeSync(this.fd);
  }

  /** @param {any} answer */
  #settle(answer) {
    const { objects, resolve, reject } = /** @type {any} */ (this.#pending.get(answer.promise));
    this.#pending.delete(answer.promise);
    if (answer.unclonable) reject(this.#end('shared', 'a result cannot be copied to another process'));
    else {
      const value = restoreObjects(objects, answer);
      if ('error' in answer || 'thrown' in answer) reject(errorOf(answer));
      else resolve(value);
    }
  }

  /** Takes messages while a test waits for a promise. */
  #poll() {
    if (this.#polling) return;
    this.#polling = true;
    const again = () => {
      try {
        for (let found = this.#take(); found.length > 0; found = this.#take())
          if (this.#pending.has(found[0].promise)) this.#settle(found[0]);
      } catch (error) {
        for (const { reject } of this.#pending.values()) reject(error);
        this.#pending.clear();
      }
      if (this.#pending.size > 0) setTimeout(again, 1);
      else this.#polling = false;
    };
    setTimeout(again, 0);
  }

  /** The next message; waits for it. @returns {any} */
  #receive() {
    for (let wait = 0.05; ; wait = Math.min(1, 1.5 * wait)) {
      const found = this.#take();
      if (found.length > 0) return Object(found[0]);
      sleep(wait);
    }
  }

  /** The next message in a list, empty if none has arrived. @returns {any[]} */
  #take() {
    if (this.over) throw this.over;
    if (performance.now() > this.#deadline) throw this.#end('late', `exceeded the limit of ${seconds} s`);
    try {
      const found = this.#decoder.next();
      if (found.length > 0) return found;
      const count = readSync(this.fd, this.#bytes);
      if (count === 0) throw this.#end('ended', 'the program ended');
      this.#decoder.add(this.#bytes.subarray(0, count));
      return this.#decoder.next();
    } catch (error) {
      if (/** @type {any} */ (error).code === 'EAGAIN') return [];
      throw error instanceof Over ? error : this.#end('ended', 'the program sent something that is not an answer');
    }
  }

  /** @param {unknown} message */
  #send(message) {
    const bytes = encode(message);
    for (let sent = 0; sent < bytes.length; ) {
      if (this.over) throw this.over;
      if (performance.now() > this.#deadline) throw this.#end('late', `exceeded the limit of ${seconds} s`);
      try {
        sent += writeSync(this.fd, bytes, sent);
      } catch (error) {
        if (/** @type {any} */ (error).code !== 'EAGAIN') throw this.#end('ended', 'the program ended');
        sleep(0.2);
      }
    }
  }

  /** @param {'ended' | 'late' | 'shared'} kind @param {string} message */
  #end(kind, message) {
    this.over ??= new Over(kind, message);
    return this.over;
  }
}

/**
 * Gives the objects that a test passed the content that they have in the candidate's process now, and returns the result, in
 * which copies of those objects are replaced by the objects themselves: a function that returns its own argument, or a part of
 * it, returns the test's object.
 *
 * @param {readonly object[]} objects
 * @param {any} answer
 */
function restoreObjects(objects, answer) {
  const copies = Array.isArray(answer.objects) && answer.objects.length === objects.length ? answer.objects : [];
  /** @type {Map<unknown, object>} */
  const originals = new Map();
  for (const [index, copy] of copies.entries()) originals.set(copy, /** @type {object} */ (objects[index]));
  const seen = new Set();
  /** @param {any} value @returns {any} */
  const replaced = (value) => originals.get(value) ?? inside(value);
  /** Replaces the parts of a value. @param {any} value @returns {any} */
  const inside = (value) => {
    if (typeof value !== 'object' || value === null || seen.has(value) || ArrayBuffer.isView(value)) return value;
    seen.add(value);
    if (value instanceof Map) {
      const entries = [...value];
      value.clear();
      for (const [key, part] of entries) value.set(replaced(key), replaced(part));
    } else if (value instanceof Set) {
      const parts = [...value];
      value.clear();
      for (const part of parts) value.add(replaced(part));
    } else for (const key of Object.keys(value)) value[key] = replaced(value[key]);
    return value;
  };
  for (const copy of copies) inside(copy);
  for (const [index, copy] of copies.entries()) restore(objects[index], copy);
  return replaced(answer.value);
}

/** Gives an object of a test the content that the candidate's copy of it has after the call. @param {any} target @param {any} source */
function restore(target, source) {
  if (typeof target !== 'object' || target === null || typeof source !== 'object' || source === null) return;
  if (ArrayBuffer.isView(target)) /** @type {any} */ (target).set?.(source);
  else if (Array.isArray(target)) target.splice(0, target.length, ...source);
  else if (target instanceof Map) {
    target.clear();
    for (const [key, value] of source) target.set(key, value);
  } else if (target instanceof Set) {
    target.clear();
    for (const value of source) target.add(value);
  } else if (target instanceof Date) target.setTime(source.getTime());
  else {
    for (const key of Object.keys(target)) if (!(key in source)) delete target[key];
    Object.assign(target, source);
  }
}

/** @param {{ error?: { name: string, message: string, kind: string, own: object }, thrown?: unknown }} answer */
function errorOf({ error, thrown }) {
  if (error === undefined) return thrown;
  const kinds = { Error, TypeError, RangeError, SyntaxError, ReferenceError, EvalError, URIError };
  const Kind = kinds[/** @type {keyof typeof kinds} */ (error.kind)] ?? Error;
  const made = new Kind(error.message);
  if (made.name !== error.name) made.name = error.name;
  return Object.assign(made, error.own);
}

for (const job of candidates) {
  /** @param {Record<string, unknown>} record */
  const report = (record) => void writeSync(3, `${job.nonce} ${JSON.stringify(record)}\n`);
  report({ kind: 'started' });
  /** @type {Candidate | undefined} */
  let candidate;
  /** @type {Over | null} */
  let over = null;
  try {
    candidate = new Candidate(job);
    await run(candidate.exports(), report, () => candidate?.over !== null);
  } catch (error) {
    // Tests do not throw here. `exports` does if the program cannot be loaded, or if its first message is none.
    over = error instanceof Over ? error : new Over('ended', 'the program cannot be loaded');
  }
  over = candidate?.over ?? over;
  candidate?.close();
  report(over ? { kind: over.kind, message: over.message } : { kind: 'finished' });
}
process.exit(0);
