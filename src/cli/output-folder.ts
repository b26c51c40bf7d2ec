import path from 'node:path';
import { dataHome } from '../platform/files.ts';

/** The folder of a new model: a plain name is a model in the data home, anything else is a path. */
export function outputFolder(model: string): string {
  return /^[\w][\w.-]*$/.test(model) ? path.join(dataHome(), 'models', model) : path.resolve(model);
}
