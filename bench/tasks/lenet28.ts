import type { TaskContext } from '../../src/compute/objective/task-module.ts';
import { images, lenet } from './reference-models.ts';

export const model = ({ tf }: TaskContext) => lenet(tf);
export const data = (split: string, { tf }: TaskContext) =>
  split === 'validation' ? images(tf, 320, [28, 28, 1]) : undefined;
