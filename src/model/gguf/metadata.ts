import { UserError } from '../../platform/errors.ts';
import { shown } from '../safetensors-header.ts';
import type { MetadataValue } from './header.ts';

/** The metadata of a GGUF file. If a value is missing, invalid or not supported, the message names its key. */
export class Metadata {
  readonly file: string;
  readonly values: ReadonlyMap<string, MetadataValue>;

  constructor(file: string, values: ReadonlyMap<string, MetadataValue>) {
    this.file = file;
    this.values = values;
  }

  /** A text; undefined if the key is missing. */
  text(key: string): string | undefined {
    const value = this.values.get(key);
    if (value !== undefined && typeof value !== 'string') throw this.#wrong(key, value, 'a text');
    return value;
  }

  flag(key: string): boolean | undefined {
    const value = this.values.get(key);
    if (value !== undefined && typeof value !== 'boolean') throw this.#wrong(key, value, 'true or false');
    return value;
  }

  /** A non-negative integer; undefined if the key is missing. */
  whole(key: string): number | undefined {
    const value = this.values.get(key);
    if (value !== undefined && !isWhole(value)) throw this.#wrong(key, value, 'a whole number');
    return value;
  }

  /** A positive integer; `otherwise` if the key is missing. Throws if both are. */
  positive(key: string, otherwise?: number): number {
    const value = this.whole(key) ?? otherwise;
    if (value === undefined || value === 0) throw this.#wrong(key, value, 'a positive whole number');
    return value;
  }

  /** A positive number, as the shortest decimal with the same f32 value; undefined if the key is missing. */
  decimal(key: string): number | undefined {
    const value = this.values.get(key);
    if (value === undefined) return undefined;
    if (typeof value !== 'number' || !Number.isFinite(value) || value <= 0)
      throw this.#wrong(key, value, 'a positive number');
    for (let digits = 1; digits < 10; digits++) {
      const shortest = Number(value.toPrecision(digits));
      if (Math.fround(shortest) === Math.fround(value)) return shortest;
    }
    return value;
  }

  texts(key: string): readonly string[] {
    return this.#list(key, 'texts', (entry): entry is string => typeof entry === 'string');
  }

  wholes(key: string): readonly number[] {
    return this.#list(key, 'whole numbers', isWhole);
  }

  /** The error for a key whose value is not supported. */
  unsupported(key: string): UserError {
    return new UserError(
      `${this.file} has ${shown(key)} = ${described(this.values.get(key))}, which is not supported; choose another model.`,
    );
  }

  #list<Entry extends MetadataValue>(
    key: string,
    what: string,
    is: (entry: MetadataValue) => entry is Entry,
  ): readonly Entry[] {
    const value = this.values.get(key);
    if (Array.isArray(value) && value.every(is)) return value as readonly Entry[];
    throw this.#wrong(key, value, `a list of ${what}`);
  }

  #wrong(key: string, value: MetadataValue | undefined, needed: string): UserError {
    const fault = value === undefined ? `${shown(key)} is missing` : `${shown(key)} is ${described(value)}`;
    return new UserError(`${this.file}: ${fault}, but it must be ${needed}; convert the model again.`);
  }
}

const isWhole = (value: MetadataValue): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;

/** A value for a message, shortened if it is long. */
function described(value: MetadataValue | undefined): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
