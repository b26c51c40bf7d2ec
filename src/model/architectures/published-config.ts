import { UserError } from '../../platform/errors.ts';
import { type RopeScaling, ropeScaling } from '../rope-scaling.ts';

/** The fields of a published `config.json`, read by name. Throws a `UserError` with the field's name if a value is invalid or not supported. */
export class PublishedConfig {
  readonly file: string;
  readonly fields: Readonly<Record<string, unknown>>;

  constructor(file: string, fields: Readonly<Record<string, unknown>>) {
    this.file = file;
    this.fields = fields;
  }

  /** A field's value; undefined where it is absent or null. */
  get(name: string): unknown {
    return Object.hasOwn(this.fields, name) ? (this.fields[name] ?? undefined) : undefined;
  }

  /** A positive whole number; `otherwise` where the field is absent. */
  whole(name: string, otherwise?: number): number {
    const value = this.get(name) ?? otherwise;
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value <= 0)
      throw this.#wrong(name, value, 'a positive whole number');
    return value;
  }

  /** A positive number; `otherwise` where the field is absent. */
  positive(name: string, otherwise?: number): number {
    const value = this.get(name) ?? otherwise;
    if (typeof value !== 'number' || !Number.isFinite(value) || value <= 0)
      throw this.#wrong(name, value, 'a positive number');
    return value;
  }

  flag(name: string, otherwise: boolean): boolean {
    const value = this.get(name) ?? otherwise;
    if (typeof value !== 'boolean') throw this.#wrong(name, value, 'true or false');
    return value;
  }

  /** Throws a `UserError` unless each field is one of these values, which may hold undefined for an absent one. */
  only(accepted: Readonly<Record<string, readonly unknown[]>>): void {
    for (const [name, values] of Object.entries(accepted))
      if (!values.includes(this.get(name))) throw this.unsupported(name);
  }

  unsupported(name: string): UserError {
    const value = this.get(name);
    const fault =
      value === undefined ? `lacks ${name}, whose default` : `has ${name} = ${JSON.stringify(value)}, which`;
    return new UserError(`${this.file} ${fault} is not supported; choose another checkpoint.`);
  }

  #wrong(name: string, value: unknown, needed: string): UserError {
    const fault = value === undefined ? `${name} is missing` : `${name} is ${JSON.stringify(value)}`;
    return new UserError(`${this.file}: ${fault}, but it must be ${needed}; restore the file.`);
  }
}

/** Throws a `UserError` that names a field by which a model would compute something else than ours does. */
export function refuseUnsupported(config: PublishedConfig): void {
  config.only({
    quantization_config: [undefined],
    hidden_act: [undefined, 'silu'],
    use_sliding_window: [undefined, false],
    clip_qkv: [undefined],
    alibi: [undefined, false],
  });
  const kinds = config.get('layer_types');
  if (kinds !== undefined && !(Array.isArray(kinds) && kinds.every((kind) => kind === 'full_attention')))
    throw config.unsupported('layer_types');
}

/**
 * The field that says that rotary positions are scaled: `rope_parameters` in newer configurations, `rope_scaling` in older
 * ones; undefined where they are not.
 */
function scalingField(config: PublishedConfig) {
  for (const name of ['rope_parameters', 'rope_scaling']) {
    const rope = config.get(name) as Record<string, unknown> | undefined;
    const rope_type = rope?.rope_type ?? rope?.type ?? 'default';
    if (rope_type !== 'default') return { name, scaling: { ...rope, rope_type } };
  }
  return undefined;
}

/** How the rotary positions are scaled; throws a `UserError` that names the field where that is not supported. */
export function readRopeScaling(config: PublishedConfig): RopeScaling | undefined {
  const field = scalingField(config);
  if (!field) return undefined;
  const parsed = ropeScaling.safeParse(field.scaling);
  if (!parsed.success) throw config.unsupported(field.name);
  return parsed.data;
}

/** Throws a `UserError` that names the field where rotary positions are scaled. */
export function refuseRopeScaling(config: PublishedConfig): void {
  const field = scalingField(config);
  if (field) throw config.unsupported(field.name);
}

/** The base of the rotary positions, which newer configurations keep with what else is said of these. */
export function ropeTheta(config: PublishedConfig, otherwise: number): number {
  const inside = config.get('rope_parameters') as Record<string, unknown> | undefined;
  return inside?.rope_theta === undefined
    ? config.positive('rope_theta', otherwise)
    : new PublishedConfig(config.file, inside).positive('rope_theta');
}
