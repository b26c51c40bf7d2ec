import { existsSync } from 'node:fs';
import path from 'node:path';
import { readJson } from '../../platform/files.ts';

/** The JSON files that tell what a model is, wherever they lie. */
export interface Description {
  /** What a file is called in messages. */
  location(name: string): string;
  /** What a file holds; undefined where there is none of that name. */
  read(name: string): Promise<unknown>;
}

/** Those of a checkpoint folder. */
export const inFolder = (folder: string): Description => {
  const location = (name: string) => path.join(folder, name);
  return { location, read: async (name) => (existsSync(location(name)) ? readJson(location(name)) : undefined) };
};
