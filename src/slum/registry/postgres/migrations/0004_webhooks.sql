ALTER TABLE "slum_webhooks" ADD COLUMN IF NOT EXISTS "kind" text DEFAULT 'standard' NOT NULL;--> statement-breakpoint
ALTER TABLE "slum_webhooks" ADD COLUMN IF NOT EXISTS "last_answer" text;--> statement-breakpoint
ALTER TABLE "slum_webhooks" ADD COLUMN IF NOT EXISTS "last_answer_at" bigint;