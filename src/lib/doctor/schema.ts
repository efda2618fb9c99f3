import {z} from 'zod'

/** What a machine can be asked to do. */
export const ROLES = ['edge', 'gateway', 'failover', 'probe', 'lab'] as const
export type Role = (typeof ROLES)[number]

export const checkSchema = z.strictObject({
  /** Stable, for scripts. */
  name: z.string(),
  /** One phrase: what it is. */
  title: z.string(),
  /** Roles that need it. */
  needs: z.array(z.enum(ROLES)).min(1),
  /** False: those roles work without it, but worse; `effect` says how. */
  required: z.boolean(),
  effect: z.string().optional(),
  /** The first kernel release that has it, as upstream numbers them; a distribution's kernel may have it earlier. */
  minimumKernel: z.string().optional(),
  present: z.boolean(),
  /** Only when absent: what to do. */
  remedy: z.string().optional(),
})

/** The JSON of `overlay doctor`. A role is true when all it requires is present. */
export const doctorSchema = z.strictObject({
  kernel: z.string(),
  asked: z.array(z.enum(ROLES)),
  checks: z.array(checkSchema),
  edge: z.boolean(),
  gateway: z.boolean(),
  failover: z.boolean(),
  probe: z.boolean(),
  lab: z.boolean(),
  warnings: z.array(z.string()).optional(),
})

export type Check = z.infer<typeof checkSchema>
export type DoctorReport = z.infer<typeof doctorSchema>
