import type { z } from 'zod';
import { UsageError } from './errors.ts';
import { readJson } from './files.ts';
import { invalidValue } from './invalid-value.ts';

/** Settings from the user: a JSON file, and `NAME=VALUE` pairs that take precedence. */
export interface SuppliedSettings {
  readonly file?: string | undefined;
  readonly pairs: readonly string[];
}

/**
 * Validates settings and fills in the defaults. `defaults` override the schema's own; user settings override both.
 * Throws a `UsageError` that names the setting, its value and the allowed values.
 */
export async function readSettings<T extends z.ZodRawShape>(
  schema: z.ZodObject<T>,
  supplied: SuppliedSettings,
  defaults: Readonly<Record<string, unknown>> = {},
): Promise<z.infer<z.ZodObject<T>>> {
  const values: Record<string, unknown> = { ...defaults };
  if (supplied.file !== undefined) {
    const fromFile = await readJson(supplied.file);
    if (typeof fromFile !== 'object' || fromFile === null || Array.isArray(fromFile))
      throw new UsageError(`${supplied.file} must hold a JSON object of settings by name.`);
    Object.assign(values, fromFile);
  }
  for (const pair of supplied.pairs) {
    const equals = pair.indexOf('=');
    if (equals < 1) throw new UsageError(`--set ${pair}: write it as NAME=VALUE, for example learning_rate=0.0001.`);
    values[pair.slice(0, equals)] = readValue(pair.slice(equals + 1));
  }
  const known = Object.keys(schema.shape);
  for (const name of Object.keys(values))
    if (!known.includes(name)) throw new UsageError(`Unknown setting ${name}; the settings are ${known.join(', ')}.`);
  const parsed = schema.safeParse(values, { error: invalidValue });
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0]!;
  throw new UsageError(`Setting ${path.join('.')} ${message}.`);
}

/** Numbers, true, false, null and JSON values are parsed; everything else is text. */
function readValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
