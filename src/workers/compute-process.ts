/**
 * The process in which a worker computes. An engine blocks its thread, and the worker must renew its hold on a job meanwhile, so they
 * are two processes. This one has no connection to the server; it gets jobs and policies from its parent.
 */
import { resolveModel } from '../catalogue/resolve-model.ts';
import type { Engine } from '../engine/engine.ts';
import { openBase } from '../model/checkpoint.ts';
import { LanguageModel } from '../model/language-model.ts';
import { trainedShapes } from '../model/lora.ts';
import { messageOf } from '../platform/errors.ts';
import { denoiseJobs } from '../tuning/rollouts.ts';
import type { ComputeAnswer, ComputeRequest, GeneratedCanvases } from './compute-messages.ts';
import { machineKind } from './machine.ts';
import { weightsOf } from './policy.ts';

/** Answers the parent's requests, one after the other, until the parent ends. */
export async function runComputeProcess(openEngine: () => Promise<Engine>): Promise<void> {
  // The parent decides when this process ends, also after Ctrl+C, which both receive.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.removeAllListeners(signal);
    process.on(signal, () => undefined);
  }
  const engine = openEngine();
  engine.catch(() => undefined);
  const policies = new PolicyModel(engine);
  let last = Promise.resolve();
  process.on('message', (request: ComputeRequest) => {
    last = last.then(async () => {
      const answer = await answerTo(request, engine, policies);
      if (process.connected) process.send?.(answer);
    });
  });
  await new Promise<void>((resolve) => process.once('disconnect', resolve));
}

async function answerTo(
  request: ComputeRequest,
  opening: Promise<Engine>,
  policies: PolicyModel,
): Promise<ComputeAnswer> {
  const { id } = request;
  try {
    const engine = await opening;
    if (request.kind === 'device')
      return { id, result: { device: `${engine.name} ${engine.device}`, machine: machineKind(engine) } };
    return { id, result: await generate(await policies.modelFor(request), request.group) };
  } catch (error) {
    return { id, error: messageOf(error) };
  }
}

async function generate(
  model: LanguageModel,
  { prompt, suffix, seeds, decoding }: Extract<ComputeRequest, { kind: 'generate' }>['group'],
): Promise<GeneratedCanvases> {
  const before = model.work.tokens;
  const jobs = seeds.map((seed) => ({ prompt, ...(suffix === '' ? {} : { suffix }), seed, decoding }));
  const canvases = await denoiseJobs(model, jobs);
  return { canvases, tokens: model.work.tokens - before };
}

/** The model of the run that was served last, with the policy that was used last. */
class PolicyModel {
  readonly #engine: Promise<Engine>;
  #loaded: { readonly key: string; readonly model: LanguageModel; policy: string } | null = null;

  constructor(engine: Promise<Engine>) {
    this.#engine = engine;
  }

  async modelFor({
    model: announced,
    base,
    policy,
    bytes,
  }: Extract<ComputeRequest, { kind: 'generate' }>): Promise<LanguageModel> {
    const key = JSON.stringify([announced, base]);
    if (this.#loaded?.key === key) {
      const { model } = this.#loaded;
      if (this.#loaded.policy !== policy) {
        if (!bytes) throw new Error('the policy was not sent');
        for (const [name, value] of weightsOf(bytes, model.trained)) await model.state.write(name, value);
        this.#loaded.policy = policy;
      }
      return model;
    }
    if (!bytes) throw new Error('the policy was not sent');
    await this.#loaded?.model.dispose();
    this.#loaded = null;
    const model = await this.#load(announced, base, bytes);
    this.#loaded = { key, model, policy };
    return model;
  }

  async #load(
    { name, adapter }: Extract<ComputeRequest, { kind: 'generate' }>['model'],
    base: string,
    bytes: Uint8Array,
  ): Promise<LanguageModel> {
    const { weights, ...rest } = await openBase(await resolveModel(base));
    const trained = weightsOf(bytes, trainedShapes(rest.config, adapter ?? undefined));
    if (!adapter) return LanguageModel.load(await this.#engine, { ...rest, weights: trained });
    const { precision, ...shape } = adapter;
    const own = { ...shape, weights: trained, base: { name, digest: null, precision } };
    return LanguageModel.load(await this.#engine, { ...rest, weights, adapter: own });
  }
}
