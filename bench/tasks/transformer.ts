import type { TaskContext } from '../../src/compute/objective/task-module.ts';
import { sentences, transformer } from './reference-models.ts';

export const model = ({ tf }: TaskContext) => transformer(tf);
export const data = (split: string, { tf }: TaskContext) =>
  split === 'validation' ? sentences(tf, 80) : undefined;
