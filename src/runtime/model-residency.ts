import { stat } from 'node:fs/promises';
import path from 'node:path';
import { completesCode } from '../diffusion/infill.ts';
import { chooseEngine } from '../engine/devices.ts';
import type { Engine } from '../engine/engine.ts';
import { readAdapterBase } from '../model/adapter-folder.ts';
import { baseFolder, openCheckpoint, readAdapterOver, weightsDigest } from '../model/checkpoint.ts';
import { assertDenoises, type ModelConfig } from '../model/config.ts';
import { findModel } from '../model/find-model.ts';
import { LanguageModel } from '../model/language-model.ts';
import { memoryNeeded, parametersOf } from '../model/memory.ts';
import type { Precision } from '../model/precision.ts';
import { messageOf, UserError } from '../platform/errors.ts';

/** Which model is served, and on what. */
export interface ModelChoice {
  readonly model: string;
  readonly engine: string;
  readonly device: string;
}

export interface Residency {
  /** `resting`: the model made room for a job. */
  readonly state: 'idle' | 'loading' | 'ready' | 'resting' | 'failed';
  readonly folder: string | null;
  readonly device: { readonly engine: string; readonly device: string } | null;
  readonly problem: string | null;
}

/** Why a model that takes so many bytes of a device's memory may not be there now; null where it may. */
export type WhyNoRoom = (device: string, bytes: number) => Promise<string | null>;

/** A job needs the memory that the model would take. */
class NoRoom extends UserError {}

const idle: Residency = { state: 'idle', folder: null, device: null, problem: null };

/** Where a model is, and a name for what is there. */
interface Place {
  readonly folder: string;
  /** Where its full weights are: the same folder, or that of an adapter's base; and how exactly they are kept. */
  readonly base: string;
  readonly precision: Precision;
  readonly baseKey: string;
}

/**
 * Keeps one model in memory: it is loaded when it is first asked for, and another takes its place at the next request. An
 * adapter's base stays while it is the base of what is asked for, so that changing between them reads the adapter alone.
 */
export class ModelResidency {
  readonly #changed: () => void;
  readonly #whyNoRoom: WhyNoRoom;
  #choice: ModelChoice;
  #loaded: { readonly key: string; readonly model: Promise<LanguageModel> } | undefined;
  #base: { readonly key: string; readonly model: LanguageModel; readonly digest: () => Promise<string> } | undefined;
  #adapted: LanguageModel | undefined;
  #engine: { readonly key: string; readonly engine: Promise<Engine> } | undefined;
  /** What the model that is loaded, or was loaded last, takes of which device. */
  #takes: { readonly key: string; readonly device: string; readonly bytes: number } | undefined;
  #residency = idle;

  constructor(choice: ModelChoice, changed: () => void, whyNoRoom: WhyNoRoom = async () => null) {
    this.#choice = choice;
    this.#changed = changed;
    this.#whyNoRoom = whyNoRoom;
  }

  get residency(): Residency {
    return this.#residency;
  }

  get choice(): ModelChoice {
    return this.#choice;
  }

  choose(choice: ModelChoice): void {
    this.#choice = choice;
  }

  /** The chosen model; throws a `UserError` where it cannot be had, and tries again when it is asked for again. */
  async get(): Promise<LanguageModel> {
    const { model: name, engine, device } = this.#choice;
    const { folder, base, precision } = await placeOf(name).catch((error: unknown) => this.#fail(error));
    const baseKey = JSON.stringify([base, await writtenAt(base, 'config.json'), engine, device, precision]);
    const key =
      folder === base ? baseKey : JSON.stringify([baseKey, folder, await writtenAt(folder, 'adapter_config.json')]);
    // A model that rests stays where it is until there is room for it again.
    const reason = !this.#loaded && this.#takes?.key === key ? await this.#reasonToRest() : null;
    if (reason !== null) this.#fail(new NoRoom(reason));
    if (this.#loaded?.key !== key) {
      const before = this.#loaded;
      this.#loaded = { key, model: this.#load({ folder, base, precision, baseKey }, key, before?.model) };
    }
    const loading = this.#loaded;
    const model = await loading.model.catch((error: unknown) => {
      if (this.#loaded === loading) this.#loaded = undefined;
      return this.#fail(error);
    });
    // It was there all the time while another could not be found.
    if (this.#loaded === loading && this.#residency.state !== 'ready')
      this.#set({ ...this.#residency, state: 'ready', problem: null });
    return model;
  }

  /**
   * Gives the model's memory to a job that needs it, and says where it may come back. Nobody may compute with the model
   * meanwhile.
   */
  async reconsider(): Promise<void> {
    const loading = this.#loaded;
    if (loading && !(await loading.model.catch(() => null))) return;
    const reason = await this.#reasonToRest();
    if (this.#loaded !== loading) return;
    const { state, problem } = this.#residency;
    if (reason !== null && loading) {
      this.#loaded = undefined;
      await this.#unload();
    }
    if (reason === null && state === 'resting') this.#set({ ...this.#residency, state: 'idle', problem: null });
    else if (reason !== null && problem !== reason && (loading || state === 'resting'))
      this.#set({ ...this.#residency, state: 'resting', problem: reason });
  }

  async #reasonToRest(): Promise<string | null> {
    return this.#takes ? this.#whyNoRoom(this.#takes.device, this.#takes.bytes) : null;
  }

  async #unload(what: 'adapter' | 'all' = 'all'): Promise<void> {
    await this.#adapted?.dispose();
    this.#adapted = undefined;
    if (what === 'adapter') return;
    await this.#base?.model.dispose();
    this.#base = undefined;
  }

  async #load(
    { folder, base, precision, baseKey }: Place,
    key: string,
    before: Promise<LanguageModel> | undefined,
  ): Promise<LanguageModel> {
    this.#set({ ...idle, state: 'loading', folder });
    await before?.catch(() => undefined);
    const kept = this.#base?.key === baseKey ? this.#base : undefined;
    const checkpoint = kept ? null : await openCheckpoint(base);
    const { config } = kept?.model ?? (checkpoint as NonNullable<typeof checkpoint>);
    assertDenoises(config);
    if (!completesCode(config))
      throw new UserError(
        `The model ${this.#choice.model} was not trained to complete code; choose one that was, such as unmask-code.`,
      );
    const digest = kept?.digest ?? once(() => weightsDigest(base));
    const adapter = folder === base ? null : await readAdapterOver(folder, { config, base, digest });
    const engine = await this.#openEngine();
    this.#takes = { key, device: engine.device, bytes: bytesOf(config) };
    const reason = await this.#reasonToRest();
    // The one before goes first, so that two are never held longer than it takes to read a file.
    await this.#unload(reason === null && checkpoint === null ? 'adapter' : 'all');
    if (reason !== null) throw new NoRoom(reason);
    if (checkpoint) {
      this.#base = { key: baseKey, model: await LanguageModel.loadFrozen(engine, checkpoint, precision), digest };
    }
    const { model } = this.#base as NonNullable<typeof kept>;
    if (adapter) this.#adapted = await model.withAdapter(adapter);
    this.#set({ state: 'ready', folder, device: { engine: engine.name, device: engine.device }, problem: null });
    return this.#adapted ?? model;
  }

  async #openEngine(): Promise<Engine> {
    const { engine, device } = this.#choice;
    const key = JSON.stringify([engine, device]);
    if (this.#engine?.key !== key) this.#engine = { key, engine: chooseEngine({ engine, device }) };
    return this.#engine.engine;
  }

  #fail(error: unknown): never {
    const state = error instanceof NoRoom ? 'resting' : 'failed';
    this.#set({ ...this.#residency, state, problem: messageOf(error) });
    throw error;
  }

  #set(residency: Residency): void {
    this.#residency = residency;
    this.#changed();
  }
}

async function placeOf(name: string): Promise<Omit<Place, 'baseKey'>> {
  const folder = await findModel(name);
  const base = await baseFolder(folder);
  return { folder, base, precision: folder === base ? 'f32' : (await readAdapterBase(folder)).precision };
}

const bytesOf = (config: ModelConfig): number => memoryNeeded(parametersOf(config), config);

/** A checkpoint that was written anew in the same place is another model. */
const writtenAt = async (folder: string, file: string): Promise<number> =>
  (await stat(path.join(folder, file))).mtimeMs;

/** Computes what is asked for the first time, and remembers it. */
function once<T>(compute: () => Promise<T>): () => Promise<T> {
  let known: Promise<T> | undefined;
  return () => {
    known ??= compute();
    return known;
  };
}
