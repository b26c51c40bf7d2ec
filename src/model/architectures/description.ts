import { existsSync } from 'node:fs';
import path from 'node:path';
import { assertRegular, readJson } from '../../platform/files.ts';

/** The JSON files that describe a model, in a folder or on the hub. */
export interface Description {
  /** What a file is called in messages. */
  location(name: string): string;
  /** What a file holds; undefined where there is none of that name. */
  read(name: string): Promise<unknown>;
}

/** Those of a checkpoint folder. */
export const inFolder = (folder: string): Description => {
  const location = (name: string) => path.join(folder, name);
  return {
    location,
    async read(name) {
      await assertRegular(location(name));
      return existsSync(location(name)) ? readJson(location(name)) : undefined;
    },
  };
};
