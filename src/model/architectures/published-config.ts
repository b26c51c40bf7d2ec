import { UserError } from '../../platform/errors.ts';

/** The fields of a published `config.json`, read by name; what is wrong or not supported is refused by its name. */
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

  /** Throws a `UserError` unless each field is one of the given values, which may hold undefined for an absent one. */
  only(accepted: Readonly<Record<string, readonly unknown[]>>): void {
    for (const [name, values] of Object.entries(accepted))
      if (!values.includes(this.get(name))) throw this.unsupported(name);
  }

  unsupported(name: string): UserError {
    const value = this.get(name);
    const said = value === undefined ? `lacks ${name}, whose default` : `has ${name} = ${JSON.stringify(value)}, which`;
    return new UserError(`${this.file} ${said} is not supported; take another checkpoint.`);
  }

  #wrong(name: string, value: unknown, needed: string): UserError {
    const said = value === undefined ? `${name} is missing` : `${name} is ${JSON.stringify(value)}`;
    return new UserError(`${this.file}: ${said} where ${needed} is needed; restore the file.`);
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
  for (const name of ['rope_scaling', 'rope_parameters']) {
    const rope = config.get(name) as { rope_type?: unknown; type?: unknown } | undefined;
    if (rope !== undefined && (rope.rope_type ?? rope.type ?? 'default') !== 'default') throw config.unsupported(name);
  }
}

/** The base of the rotary positions, which newer configurations keep with what else is said of these. */
export function ropeTheta(config: PublishedConfig, otherwise: number): number {
  const inside = config.get('rope_parameters') as Record<string, unknown> | undefined;
  return inside?.rope_theta === undefined
    ? config.positive('rope_theta', otherwise)
    : new PublishedConfig(config.file, inside).positive('rope_theta');
}
