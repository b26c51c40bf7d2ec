import { createHash } from 'node:crypto';
import { downloadFile as fetchFile } from '@huggingface/hub';
import { memoryNeeded, parametersOf } from '../model/memory.ts';
import { messageOf, UserError } from '../platform/errors.ts';
import { machineMemory } from '../platform/machine-memory.ts';
import { type HubId, installedName } from '../platform/model-name.ts';
import type { ModelOffer } from '../protocol/models.ts';
import type { HubClient } from './hub-client.ts';
import { type Loadable, loadable } from './loadable.ts';
import { modelFiles } from './model-files.ts';
import { assertHoldsModel, type RemoteFile, readRepository } from './repository.ts';

/** The largest JSON file that is read into memory, in bytes. The index of the largest models has a few million bytes. */
const largestText = 32e6;

/** A model on the hub, described before its weights are downloaded. */
export interface Offer {
  readonly id: string;
  readonly revision: string | null;
  readonly commit: string;
  readonly files: readonly RemoteFile[];
  readonly loadable: Loadable;
  readonly document: Omit<ModelOffer, 'installed'>;
}

/** Reads a model's files, size and licence from the hub, and checks whether it can be loaded. */
export async function readOffer(hub: HubClient, hubId: HubId): Promise<Offer> {
  const { id, revision, subfolder } = hubId;
  const name = installedName(hubId);
  const repository = await readRepository(hub, hubId);
  assertHoldsModel(repository, subfolder);
  const { commit, licence, gated } = repository;
  const text = (file: RemoteFile) => readText(hub, { id, commit }, file);
  const files = await modelFiles(repository.files, name, text);
  const judged = await loadable({
    location: (file) => `${file} of ${name}`,
    async read(wanted) {
      const file = files.find((each) => each.name === wanted);
      return file && text(file);
    },
  });
  const parameters = judged.config ? parametersOf(judged.config) : repository.parameters;
  return {
    ...{ id, revision, commit, files },
    loadable: judged,
    document: {
      name,
      revision: commit,
      bytes: files.reduce((sum, { size }) => sum + size, 0),
      ...{ licence, gated, parameters },
      memory: {
        needed: parameters === null ? null : memoryNeeded(parameters, judged.config),
        available: machineMemory().total,
      },
      problem: judged.problem,
    },
  };
}

/** Reads a small JSON file at the commit and checks its hash. */
async function readText(
  hub: HubClient,
  { id, commit }: { readonly id: string; readonly commit: string },
  { name, path, size, hash }: RemoteFile,
): Promise<unknown> {
  if (size > largestText)
    throw new UserError(`${name} of ${id} has ${size} bytes, which is too large for a configuration file.`);
  const { endpoint: hubUrl } = hub.settings;
  const blob = await fetchFile({ repo: id, revision: commit, path, hubUrl, fetch: hub.fetch, xet: false });
  const bytes = Buffer.from((await blob?.arrayBuffer()) ?? new ArrayBuffer(0));
  const sum = hash.kind === 'sha256' ? createHash('sha256') : createHash('sha1').update(`blob ${bytes.length}\0`);
  if (sum.update(bytes).digest('hex') !== hash.hex)
    throw new UserError(
      `${name} of ${id} arrived damaged (its ${hash.kind} differs from the one that the hub lists); try again.`,
    );
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw new UserError(`${name} of ${id} is not valid JSON (${messageOf(error)}), so it is not a model.`);
  }
}
