// Messages between the process that runs tests and the process that runs a candidate: structured clones, each after its
// length in four bytes.
import { deserialize, serialize } from 'node:v8';

/** The largest message in bytes. */
const largest = 64 * 2 ** 20;

/** @param {unknown} message */
export function encode(message) {
  const body = serialize(message);
  const head = Buffer.alloc(4);
  head.writeUInt32LE(body.length);
  return Buffer.concat([head, body]);
}

/** Collects bytes and returns the messages in them. */
export class Decoder {
  #bytes = Buffer.alloc(0);

  /** @param {Uint8Array} bytes */
  add(bytes) {
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
  }

  /** The next whole message, in a list; an empty list if there is none yet. @returns {any[]} */
  next() {
    if (this.#bytes.length < 4) return [];
    const length = this.#bytes.readUInt32LE(0);
    if (length > largest) throw new Error('a message is too large');
    if (this.#bytes.length < 4 + length) return [];
    // A copy: a deserialised typed array would otherwise share this buffer.
    const body = Buffer.from(this.#bytes.subarray(4, 4 + length));
    this.#bytes = this.#bytes.subarray(4 + length);
    return [deserialize(body)];
  }
}

const builtIn = new Set(
  [
    Object,
    Array,
    Map,
    Set,
    Date,
    RegExp,
    Error,
    TypeError,
    RangeError,
    SyntaxError,
    ReferenceError,
    EvalError,
    URIError,
  ]
    .map(({ prototype }) => /** @type {object | null} */ (prototype))
    .concat([null, Boolean.prototype, Number.prototype, String.prototype, BigInt.prototype, ArrayBuffer.prototype]),
);

/**
 * Whether a structured clone of a value is equal to it. Functions, symbols and instances of classes are lost or changed.
 *
 * @param {unknown} value
 * @param {Set<unknown>} [seen]
 * @returns {boolean}
 */
export function isClonable(value, seen = new Set()) {
  if (typeof value === 'function' || typeof value === 'symbol') return false;
  if (typeof value !== 'object' || value === null || seen.has(value)) return true;
  seen.add(value);
  if (ArrayBuffer.isView(value)) return true;
  if (!builtIn.has(Object.getPrototypeOf(value))) return false;
  const parts = value instanceof Map ? [...value].flat() : value instanceof Set ? [...value] : [];
  for (const key of Reflect.ownKeys(value)) {
    if (typeof key === 'symbol') return false;
    const property = /** @type {PropertyDescriptor} */ (Object.getOwnPropertyDescriptor(value, key));
    if (!('value' in property)) return false;
    parts.push(property.value);
  }
  return parts.every((part) => isClonable(part, seen));
}

/**
 * The objects that a value consists of, in an order that is the same for its clone. The two processes name an object by its
 * index, so that a result can refer to an object that a test passed.
 *
 * @param {unknown} value
 * @param {Set<any>} [found]
 * @returns {Set<any>}
 */
export function objectsIn(value, found = new Set()) {
  if (typeof value !== 'object' || value === null || found.has(value)) return found;
  found.add(value);
  if (ArrayBuffer.isView(value)) return found;
  const parts = value instanceof Map ? [...value].flat() : value instanceof Set ? [...value] : Object.values(value);
  for (const part of parts) objectsIn(part, found);
  return found;
}
