CREATE TABLE IF NOT EXISTS "slum_access_tokens" (
	"hash" text PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"scope" text NOT NULL,
	"services" jsonb,
	"tenant" text,
	"created_at" bigint NOT NULL,
	"created_by" text,
	"expires_at" bigint,
	"revoked_at" bigint,
	"used_at" bigint,
	"used_from" text
);
--> statement-breakpoint
ALTER TABLE "slum_events" ADD COLUMN IF NOT EXISTS "actor" text;--> statement-breakpoint
ALTER TABLE "slum_events" ADD COLUMN IF NOT EXISTS "origin" text;--> statement-breakpoint
ALTER TABLE "slum_events" ADD COLUMN IF NOT EXISTS "operation" text;--> statement-breakpoint
INSERT INTO "slum_access_tokens" ("hash", "name", "scope", "created_at") SELECT "hash", 'old-' || substr("hash", 1, 6), 'admin', "created_at" FROM "slum_tokens" ON CONFLICT DO NOTHING;
