CREATE TABLE IF NOT EXISTS "slum_certificate_leases" (
	"key" text PRIMARY KEY NOT NULL,
	"holder" text NOT NULL,
	"until" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE IF NOT EXISTS "slum_certificates" (
	"kind" text NOT NULL,
	"key" text NOT NULL,
	"text" text,
	"changed_at" bigint NOT NULL,
	CONSTRAINT "slum_certificates_kind_key_pk" PRIMARY KEY("kind","key")
);
--> statement-breakpoint
CREATE INDEX IF NOT EXISTS "slum_certificates_changed" ON "slum_certificates" USING btree ("changed_at");