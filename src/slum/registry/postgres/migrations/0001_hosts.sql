ALTER TABLE "slum_servers" ADD COLUMN IF NOT EXISTS "host" text DEFAULT 'auto' NOT NULL;--> statement-breakpoint
ALTER TABLE "slum_servers" ADD COLUMN IF NOT EXISTS "keeps_host" boolean;--> statement-breakpoint
ALTER TABLE "slum_servers" ADD COLUMN IF NOT EXISTS "last_error_at" bigint;